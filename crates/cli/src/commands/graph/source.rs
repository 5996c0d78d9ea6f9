//! From a path to a graph.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use flowkeep_graph::builder::{BuiltinShapes, ShapeProvider};
use flowkeep_graph::file::{FileError, Form, GraphFile, GraphMessage, Kind};
use flowkeep_graph::view::Shapes;
use flowkeep_graph::{Attrs, FunctionBody, Graph, ImportOptions, MetaGraph};
use flowkeep_saved_model::SavedModel;
use flowkeep_saved_model::constants::{SAVED_MODEL_FILENAME_CPB, SAVED_MODEL_FILENAME_PB};
use flowkeep_tensor::Code;

use crate::error::Error;

/// Which graph is meant.
#[derive(Args, Debug)]
pub(super) struct Source {
    /// A GraphDef, a MetaGraph, a SavedModel or its directory; - for standard input
    path: PathBuf,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// Look into a function of the graph
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
}

impl Source {
    pub(super) fn open(&self) -> Result<Opened, Error> {
        Opened::open(&self.path, self.tags.as_deref(), self.function.as_deref())
    }
}

/// A graph, or the body of one of its functions.
pub(super) struct Opened {
    /// What was found, as one line.
    pub(super) found: String,
    kind: Kind,
    pub(super) meta_graph: MetaGraph,
    pub(super) body: Option<Arc<FunctionBody>>,
}

impl Opened {
    /// Reads a graph; `tags` choose among the MetaGraphs of a SavedModel.
    pub(super) fn open(
        path: &Path,
        tags: Option<&[String]>,
        function: Option<&str>,
    ) -> Result<Opened, Error> {
        let file = read(path)?;
        let kind = file.message.kind();
        let (def, what) = file.into_meta_graph_def(tags)?;
        let meta_graph = MetaGraph::import(def, &ImportOptions::default())
            .map_err(|source| FileError::Graph { path: path.to_owned(), source })?;
        let body = function.map(|name| body(path, &meta_graph.graph, name)).transpose()?;
        let of = function.map(|name| format!("function {name} of ")).unwrap_or_default();
        Ok(Opened { found: format!("{of}{} ({what})", path.display()), kind, meta_graph, body })
    }

    /// Whether there is more than a graph.
    pub(super) fn has_parts(&self) -> bool {
        self.kind != Kind::GraphDef && self.body.is_none()
    }

    /// The graph that is looked at.
    pub(super) fn graph(&self) -> &Graph {
        match &self.body {
            Some(body) => &body.graph,
            None => &self.meta_graph.graph,
        }
    }

    /// The error of looking for the first of `names` that is not there: the file, and what was probably meant.
    pub(super) fn not_found(&self, names: &[&str], error: flowkeep_graph::Error) -> Error {
        let graph = self.graph();
        let wrong = names.iter().find(|name| graph.as_graph_element(name).is_err());
        let what = wrong.map_or_else(|| error.to_string(), |name| with_meant(&error, graph, name));
        Error::Failed { code: error.code(), message: format!("{}: {what}", self.found) }
    }

    /// What is known of the shapes of its tensors.
    pub(super) fn shapes(&self) -> Shapes {
        Shapes::new(self.graph(), Some(&shape_provider()))
    }
}

/// What a name that names nothing was probably meant to be, as the end of a sentence; of one that is like no other,
/// what shows the names that there are. Empty if there is a node of that name.
pub(in crate::commands) fn meant(graph: &Graph, name: &str) -> String {
    match graph.meant(name, false) {
        Some(meant) if meant == name => String::new(),
        Some(meant) => format!("; did you mean '{meant}'?"),
        None => format!(
            "; of its {} nodes none is called like it, see 'flowkeep graph summary'",
            graph.nodes().len()
        ),
    }
}

/// What is wrong with a name of a graph's, and what was probably meant.
pub(in crate::commands) fn with_meant(
    error: &flowkeep_graph::Error,
    graph: &Graph,
    name: &str,
) -> String {
    match meant(graph, name) {
        // TensorFlow's sentences end with a period.
        meant if !meant.is_empty() => format!("{}{meant}", error.to_string().trim_end_matches('.')),
        _ => error.to_string(),
    }
}

/// Who knows what ops do to shapes.
pub(in crate::commands) fn shape_provider() -> Arc<dyn ShapeProvider> {
    Arc::new(BuiltinShapes)
}

/// The path that stands for standard input and output.
pub(super) const STANDARD: &str = "-";

/// Reads a file, or standard input.
pub(in crate::commands) fn read(path: &Path) -> Result<GraphFile, Error> {
    match path == Path::new(STANDARD) {
        true => Ok(GraphFile::from_bytes(path, standard_input()?)?),
        false if in_chunks(path) => {
            let model = SavedModel::open(path)?;
            Ok(GraphFile {
                path: path.join(SAVED_MODEL_FILENAME_CPB),
                dir: Some(path.to_owned()),
                message: GraphMessage::SavedModel(Box::new(model.into_def())),
                form: Form::Binary,
            })
        }
        false => Ok(GraphFile::open(path)?),
    }
}

/// Whether a directory has its SavedModel in chunks.
fn in_chunks(dir: &Path) -> bool {
    !dir.join(SAVED_MODEL_FILENAME_PB).is_file() && dir.join(SAVED_MODEL_FILENAME_CPB).is_file()
}

/// All that standard input has.
pub(super) fn standard_input() -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|source| Error::Io { path: STANDARD.into(), source })?;
    Ok(bytes.into())
}

fn body(path: &Path, graph: &Graph, name: &str) -> Result<Arc<FunctionBody>, Error> {
    let library = graph.library();
    let Some(function) = library.get(name) else {
        let mut message = format!("{}: has no function {name}", path.display());
        let like = |other: &str| other.to_lowercase().contains(&name.to_lowercase());
        let names = library.functions().iter().map(|function| function.name());
        let names: Vec<&str> = names.filter(|other| like(other)).take(5).collect();
        if !names.is_empty() {
            message += &format!("; but {}", names.join(", "));
        }
        return Err(Error::Failed { code: Code::NotFound, message });
    };
    let body = function.instantiate(&Attrs::default(), library);
    body.map_err(|source| FileError::Graph { path: path.to_owned(), source }.into())
}

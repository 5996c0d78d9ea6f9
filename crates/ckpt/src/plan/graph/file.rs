use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use flowkeep_graph::file::{self, SAVED_MODEL_FILES};
use flowkeep_graph::{Graph, ImportOptions};
use flowkeep_proto::pb;
use flowkeep_proto::prost::Message;

use crate::Error;
use crate::interchange::FormatError;

/// The collection of the variables that a saver restores unless told otherwise.
const VARIABLES: &str = "variables";

/// A graph, and what a file says about restoring it.
#[derive(Debug)]
pub(in crate::plan) struct GraphFile {
    pub(in crate::plan) graph: Graph,
    pub(in crate::plan) saver_def: Option<pb::SaverDef>,
    /// The variables of the graph's collection, if it has one.
    pub(in crate::plan) variables: Option<Vec<pb::VariableDef>>,
    /// What the file is, such as `a MetaGraph`.
    pub(in crate::plan) what: String,
    /// The prefix of the checkpoint of a SavedModel.
    pub(in crate::plan) own_checkpoint: Option<PathBuf>,
}

/// Whether a path is that of a graph and not of a checkpoint, by the names of files.
pub(in crate::plan) fn is_graph(path: &Path) -> bool {
    if path.is_dir() {
        return SAVED_MODEL_FILES.iter().any(|name| path.join(name).is_file());
    }
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    ["meta", "pb", "pbtxt", "textproto"].contains(&extension) && path.is_file()
}

impl GraphFile {
    /// Reads the graph of a file, or of a SavedModel's directory; of several MetaGraphs, the one with
    /// exactly these tags, or else the only one, or else the one for serving.
    ///
    /// Errors: those of [`file::GraphFile::open`] and [`Graph::import`]; `NOT_FOUND` if there is no
    /// MetaGraph of these tags, or several.
    pub(in crate::plan) fn read(path: &Path, tags: Option<&[String]>) -> Result<GraphFile, Error> {
        GraphFile::of(file::GraphFile::open(path)?, tags)
    }

    /// The graph of a file that has been read, see [`GraphFile::read`].
    pub(in crate::plan) fn of(
        file: file::GraphFile,
        tags: Option<&[String]>,
    ) -> Result<GraphFile, Error> {
        let (path, own_checkpoint) = (file.path.clone(), file.variables());
        let (def, what) = file.into_meta_graph_def(tags)?;
        let variables = variables_of(&path, &def)?;
        let graph = Graph::import(def.graph_def.unwrap_or_default(), &ImportOptions::default())
            .map_err(|source| Error::Graph { path: path.clone(), source })?;
        Ok(GraphFile { graph, saver_def: def.saver_def, variables, what, own_checkpoint })
    }
}

/// The variables of the collection of a MetaGraph.
fn variables_of(
    path: &Path,
    def: &pb::MetaGraphDef,
) -> Result<Option<Vec<pb::VariableDef>>, Error> {
    use pb::collection_def::Kind;
    let Some(Kind::BytesList(list)) =
        def.collection_def.get(VARIABLES).and_then(|c| c.kind.as_ref())
    else {
        return Ok(None);
    };
    let variables = list.value.iter().map(|bytes| pb::VariableDef::decode(&**bytes));
    let variables = variables.collect::<Result<_, _>>().map_err(|error| {
        let what = format!("collection {VARIABLES}: {error}");
        Error::File { path: path.to_owned(), source: FormatError::Corrupt(what) }
    })?;
    Ok(Some(variables))
}

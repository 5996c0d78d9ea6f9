use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use flowkeep_graph::{Graph, ImportOptions, is_valid_node_name};
use flowkeep_proto::prost::{Message, Name};
use flowkeep_proto::{pb, text};

use crate::Error;
use crate::interchange::FormatError;

const SAVED_MODEL_FILES: [&str; 2] = ["saved_model.pb", "saved_model.pbtxt"];

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

/// Whether a path is that of a graph, by the names of files.
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
    /// Errors: `DATA_LOSS` for what is no such file; `NOT_FOUND` if there is no MetaGraph of these
    /// tags, or several; those of [`Graph::import`].
    pub(in crate::plan) fn read(path: &Path, tags: Option<&[String]>) -> Result<GraphFile, Error> {
        let path = match path.is_dir() {
            true => SAVED_MODEL_FILES.map(|name| path.join(name)).into_iter().find(|p| p.is_file()),
            false => None,
        }
        .unwrap_or_else(|| path.to_owned());
        let bytes = fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let content = Content::parse(&path, &bytes)?;
        let mut own_checkpoint = None;
        let (def, what) = match content {
            Content::Graph(graph) => {
                let def = pb::MetaGraphDef { graph_def: Some(*graph), ..Default::default() };
                (def, "a GraphDef".to_owned())
            }
            Content::MetaGraph(meta_graph) => (*meta_graph, "a MetaGraph".to_owned()),
            Content::SavedModel(model) => {
                let dir = path.parent().unwrap_or(Path::new(""));
                own_checkpoint = Some(dir.join("variables/variables"));
                let meta_graph = of_model(&path, model, tags)?;
                let tags = tags_of(&meta_graph).join(", ");
                (meta_graph, format!("the MetaGraph '{tags}' of a SavedModel"))
            }
        };
        let variables = variables_of(&path, &def)?;
        let graph = Graph::import(def.graph_def.unwrap_or_default(), &ImportOptions::default())
            .map_err(|source| Error::Graph { path: path.clone(), source })?;
        Ok(GraphFile { graph, saver_def: def.saver_def, variables, what, own_checkpoint })
    }
}

/// What a file holds.
enum Content {
    Graph(Box<pb::GraphDef>),
    MetaGraph(Box<pb::MetaGraphDef>),
    SavedModel(pb::SavedModel),
}

impl Content {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Content, Error> {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_text = name.ends_with("pbtxt") || name.ends_with("textproto");
        let found = match is_text {
            false => Content::of_wire(name, bytes),
            true => None,
        };
        // A MetaGraph may be text whatever its name is.
        let parsed = found.map_or_else(|| Content::of_text(name, bytes), Ok);
        parsed.map_err(|what| {
            let what = format!("Cannot parse file: {what}");
            Error::File { path: path.to_owned(), source: FormatError::Corrupt(what) }
        })
    }

    /// The message that makes sense, the kind that the name promises first.
    fn of_wire(name: &str, bytes: &[u8]) -> Option<Content> {
        let graph = || {
            let graph = pb::GraphDef::decode(bytes).ok();
            graph.filter(is_plausible).map(|graph| Content::Graph(Box::new(graph)))
        };
        let meta_graph = || {
            let meta_graph = pb::MetaGraphDef::decode(bytes).ok();
            let meta_graph =
                meta_graph.filter(|def| def.graph_def.as_ref().is_some_and(is_plausible));
            meta_graph.map(|def| Content::MetaGraph(Box::new(def)))
        };
        let model = || {
            let model = pb::SavedModel::decode(bytes).ok();
            model.filter(|model| !model.meta_graphs.is_empty()).map(Content::SavedModel)
        };
        match name {
            "saved_model.pb" => model(),
            name if name.ends_with(".meta") => meta_graph(),
            _ => graph().or_else(meta_graph).or_else(model),
        }
    }

    fn of_text(name: &str, bytes: &[u8]) -> Result<Content, String> {
        let source = str::from_utf8(bytes).map_err(|_| "it is neither a message nor text")?;
        let model = || merged(source).map(Content::SavedModel);
        let meta_graph = || merged(source).map(|def| Content::MetaGraph(Box::new(def)));
        match name {
            "saved_model.pb" | "saved_model.pbtxt" => model(),
            name if name.ends_with(".meta") => meta_graph(),
            _ if source.contains("meta_graphs") => model(),
            _ if source.contains("graph_def") => meta_graph(),
            _ => merged(source).map(|graph| Content::Graph(Box::new(graph))),
        }
    }
}

/// The message that a text is.
fn merged<M: Message + Name + Default>(source: &str) -> Result<M, String> {
    let mut message = M::default();
    text::merge_message(&mut message, source).map_err(|error| error.to_string())?;
    Ok(message)
}

/// Whether these are the nodes of a graph, and not the bytes of another message.
fn is_plausible(graph: &pb::GraphDef) -> bool {
    let is_op = |op: &str| {
        !op.is_empty()
            && op.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_>.".contains(&byte))
    };
    graph.node.iter().all(|node| is_valid_node_name(&node.name) && is_op(&node.op))
}

fn tags_of(meta_graph: &pb::MetaGraphDef) -> &[String] {
    meta_graph.meta_info_def.as_ref().map_or(&[], |info| &info.tags)
}

fn of_model(
    path: &Path,
    mut model: pb::SavedModel,
    tags: Option<&[String]>,
) -> Result<pb::MetaGraphDef, Error> {
    let same = |a: &[String], b: &[String]| {
        a.iter().all(|tag| b.contains(tag)) && b.iter().all(|tag| a.contains(tag))
    };
    let serve = ["serve".to_owned()];
    let wanted = match tags {
        None if model.meta_graphs.len() == 1 => None,
        tags => Some(tags.unwrap_or(&serve)),
    };
    let position = match wanted {
        None => Some(0),
        Some(tags) => model.meta_graphs.iter().position(|one| same(tags_of(one), tags)),
    };
    if let Some(idx) = position {
        return Ok(model.meta_graphs.swap_remove(idx));
    }
    let present = model.meta_graphs.iter().map(|one| format!("'{}'", tags_of(one).join(",")));
    let present = present.collect::<Vec<_>>().join(", ");
    let tags = wanted.unwrap_or_default().join(",");
    Err(Error::NoSuchTags { path: path.to_owned(), tags, present })
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

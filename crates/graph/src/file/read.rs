use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flowkeep_proto::prost::{Message, Name};
use flowkeep_proto::{pb, text};

use super::detect::{begins_as_text, detect};
use super::nearby::instead_of_saved_model;
use super::{COPY_AGAIN, FileError, Form, GraphMessage, Kind, MAX_LEN, damage};

/// The files in which a SavedModel's directory has its message, the first that there is.
pub const SAVED_MODEL_FILES: [&str; 2] = ["saved_model.pb", "saved_model.pbtxt"];

/// The tag that is meant where none is given.
const SERVING: &str = "serve";

/// A file with a graph, read.
#[derive(Clone, Debug)]
pub struct GraphFile {
    /// The file; of a SavedModel's directory, the one in it that has the message.
    pub path: PathBuf,
    /// The directory of a SavedModel, if that was opened: its variables and assets are in it.
    pub dir: Option<PathBuf>,
    /// What the file holds.
    pub message: GraphMessage,
    /// How it holds it.
    pub form: Form,
}

impl GraphFile {
    /// Reads a file with a graph, or the one in a SavedModel's directory. The rules are those of
    /// [`mod@crate::file`].
    ///
    /// Errors: those of the system; `DATA_LOSS` for what is no such file; `RESOURCE_EXHAUSTED` for
    /// one that is too large; `NOT_FOUND` for a directory without a SavedModel.
    pub fn open(path: &Path) -> Result<GraphFile, FileError> {
        let (file, only) = find(path)?;
        let opened = GraphFile::parse(&file, read(&file)?, only)?;
        Ok(GraphFile { dir: only.map(|_| path.to_owned()), ..opened })
    }

    /// Reads what has already been read from a file; of `path` no more than the name is used.
    ///
    /// Errors: `DATA_LOSS` for what is no such file, `RESOURCE_EXHAUSTED` if it is too large.
    pub fn from_bytes(path: &Path, bytes: Bytes) -> Result<GraphFile, FileError> {
        GraphFile::parse(path, bytes, None)
    }

    pub(super) fn parse(
        path: &Path,
        bytes: Bytes,
        only: Option<Kind>,
    ) -> Result<GraphFile, FileError> {
        let failed = |what| FileError::Parse { path: path.to_owned(), what: shortened(what) };
        check_len(path, &bytes, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        if bytes.is_empty()
            && only == Some(Kind::SavedModel)
            && path.ends_with(SAVED_MODEL_FILES[0])
        {
            // A message without anything, and what a copy that failed leaves.
            return Err(failed(format!("it is empty; {COPY_AGAIN}")));
        }
        let (kind, form) = detect(&bytes, Kind::of_name(path), only).map_err(failed)?;
        let message = match form {
            Form::Binary => {
                let decoded = GraphMessage::decode(kind, bytes.clone());
                decoded.map_err(|error| failed(damage(kind, &bytes, &error)))?
            }
            Form::Text => {
                let source = str::from_utf8(&bytes).unwrap_or_default();
                parse_text(kind, source).map_err(failed)?
            }
        };
        Ok(GraphFile { path: path.to_owned(), dir: None, message, form })
    }

    /// The prefix of the checkpoint of a SavedModel; `None` for all else.
    pub fn variables(&self) -> Option<PathBuf> {
        matches!(self.message, GraphMessage::SavedModel(_)).then(|| {
            let dir = self.dir.as_deref().or(self.path.parent());
            dir.unwrap_or(Path::new("")).join("variables/variables")
        })
    }

    /// The MetaGraph that is meant, and what it is in words, such as `the MetaGraph 'serve' of a
    /// SavedModel`. A GraphDef becomes a MetaGraph that has nothing else.
    ///
    /// Of several MetaGraphs it is the one with exactly these tags, or else the only one, or else the
    /// one for serving.
    ///
    /// Errors: `NOT_FOUND` if there is no MetaGraph of these tags, or several; `INVALID_ARGUMENT` for
    /// tags where there are none.
    pub fn into_meta_graph_def(
        self,
        tags: Option<&[String]>,
    ) -> Result<(pb::MetaGraphDef, String), FileError> {
        if tags.is_some() && self.message.kind() != Kind::SavedModel {
            return Err(FileError::NoTags { path: self.path, kind: self.message.kind() });
        }
        Ok(match self.message {
            GraphMessage::GraphDef(graph) => {
                let def = pb::MetaGraphDef { graph_def: Some(*graph), ..Default::default() };
                (def, "a GraphDef".into())
            }
            GraphMessage::MetaGraphDef(meta_graph) => (*meta_graph, "a MetaGraph".into()),
            GraphMessage::SavedModel(mut model) => {
                let idx = find_tags(&self.path, &model, tags)?;
                let meta_graph = model.meta_graphs.swap_remove(idx);
                let tags = tags_of(&meta_graph).join(", ");
                (meta_graph, format!("the MetaGraph '{tags}' of a SavedModel"))
            }
        })
    }
}

/// A sentence, of which only the beginning and the end stay where it quotes a line of thousands of letters.
pub(super) fn shortened(text: String) -> String {
    const MAX_LEN: usize = 300;
    const MAX_END: usize = 60;
    let n = text.chars().count();
    if n <= MAX_LEN {
        return text;
    }
    let start: String = text.chars().take(MAX_LEN - MAX_END).collect();
    let end: String = text.chars().skip(n - MAX_END).collect();
    format!("{start} ... {end}")
}

/// Reads a text as TensorFlow does: a singular field that is given twice is an error in a SavedModel,
/// and counts once in a graph.
pub(super) fn parse_text(kind: Kind, source: &str) -> Result<GraphMessage, String> {
    fn merged<M: Message + Name + Default>(source: &str) -> Result<Box<M>, String> {
        let mut message = Box::<M>::default();
        text::merge_message(&mut *message, source).map_err(|error| error.to_string())?;
        Ok(message)
    }
    Ok(match kind {
        Kind::GraphDef => GraphMessage::GraphDef(merged(source)?),
        Kind::MetaGraphDef => GraphMessage::MetaGraphDef(merged(source)?),
        Kind::SavedModel => {
            let model = text::parse_message(source).map_err(|error| error.to_string())?;
            GraphMessage::SavedModel(Box::new(model))
        }
    })
}

/// The file that a path means; of a directory, that of a SavedModel, which can then be nothing else.
pub(super) fn find(path: &Path) -> Result<(PathBuf, Option<Kind>), FileError> {
    if !path.is_dir() {
        return Ok((path.to_owned(), None));
    }
    let mut files = SAVED_MODEL_FILES.iter().map(|name| path.join(name));
    match files.find(|file| file.is_file()) {
        Some(file) => Ok((file, Some(Kind::SavedModel))),
        None => {
            let instead = instead_of_saved_model(path);
            Err(FileError::NotASavedModel { dir: path.to_owned(), instead })
        }
    }
}

/// The content of a file, unless it is too large.
pub(super) fn read(path: &Path) -> Result<Bytes, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(|source| match meta_beside(path) {
        Some(meta) if source.kind() == ErrorKind::NotFound => {
            FileError::PrefixOfCheckpoint { path: path.to_owned(), meta }
        }
        _ => failed(source),
    })?;
    let len = file.metadata().map_err(failed)?.len();
    if len > MAX_LEN {
        let mut head = Vec::new();
        (&mut file).take(HEAD_LEN).read_to_end(&mut head).map_err(failed)?;
        check_len(path, &head, len)?;
        file.rewind().map_err(failed)?;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes.into())
}

/// The MetaGraph of the checkpoint of which a path is the prefix.
fn meta_beside(prefix: &Path) -> Option<PathBuf> {
    let mut meta = prefix.file_name()?.to_owned();
    meta.push(".meta");
    Some(prefix.with_file_name(meta)).filter(|meta| meta.is_file())
}

/// How much of a large file is looked at to see whether it is text.
const HEAD_LEN: u64 = 4096;

fn check_len(path: &Path, head: &[u8], len: u64) -> Result<(), FileError> {
    if len <= MAX_LEN || begins_as_text(head) {
        return Ok(());
    }
    Err(FileError::TooLarge { path: path.to_owned(), len })
}

/// The tags of a MetaGraph.
pub(super) fn tags_of(meta_graph: &pb::MetaGraphDef) -> &[String] {
    meta_graph.meta_info_def.as_ref().map_or(&[], |info| &info.tags)
}

/// The position of the MetaGraph that tags mean, see [`GraphFile::into_meta_graph_def`].
pub(super) fn find_tags(
    path: &Path,
    model: &pb::SavedModel,
    tags: Option<&[String]>,
) -> Result<usize, FileError> {
    let same = |a: &[String], b: &[String]| {
        a.iter().all(|tag| b.contains(tag)) && b.iter().all(|tag| a.contains(tag))
    };
    let serving = [SERVING.to_owned()];
    let wanted = match tags {
        None if model.meta_graphs.len() == 1 => return Ok(0),
        tags => tags.unwrap_or(&serving),
    };
    let position = model.meta_graphs.iter().position(|one| same(tags_of(one), wanted));
    position.ok_or_else(|| {
        let present = model.meta_graphs.iter().map(|one| format!("'{}'", tags_of(one).join(",")));
        FileError::NoSuchTags {
            path: path.to_owned(),
            tags: wanted.join(","),
            present: present.collect::<Vec<_>>().join(", "),
        }
    })
}

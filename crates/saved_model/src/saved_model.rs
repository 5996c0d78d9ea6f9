use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flowkeep_bundle::source::{self, Source};
use flowkeep_graph::file::{COPY_AGAIN, Kind, damage, instead_of_saved_model};
use flowkeep_graph::{Function, ImportOptions, MetaGraph};
use flowkeep_proto::prost::DecodeError;
use flowkeep_proto::stored::{self, Stored};
use flowkeep_proto::{pb, text};

use crate::constants::{
    SAVED_MODEL_FILENAME_CPB, SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT,
};
use crate::import::no_such_tags;
use crate::{Error, chunked};

/// An opened SavedModel directory: its message, decoded; nothing imported or run.
///
/// Functions are left in the bytes of the file until somebody asks for the whole message.
pub struct SavedModel {
    dir: PathBuf,
    /// The file, if it is mapped.
    file: Option<Arc<dyn Source>>,
    /// The message as it is held.
    stored: Stored,
    /// All of it, once it was asked for, if functions are apart.
    whole: OnceLock<pb::SavedModel>,
}

impl SavedModel {
    /// Reads `saved_model.pb`, or, where there is no such file, `saved_model.cpb`, or `saved_model.pbtxt`.
    ///
    /// Errors: `NOT_FOUND` if none is there, `DATA_LOSS` if the file cannot be parsed.
    pub fn open(dir: impl AsRef<Path>) -> Result<SavedModel, Error> {
        SavedModel::open_with(dir.as_ref(), false)
    }

    /// As [`SavedModel::open`], with `saved_model.pb` mapped instead of read where the system can: functions
    /// that nobody calls then cost no memory of their own.
    ///
    /// As of [`LoadOptions::mmap`](crate::LoadOptions::mmap), nobody may shorten or overwrite the file as long as
    /// the model, or a bundle or a graph that comes of it, lives; writers that replace it by renaming, as those of
    /// TensorFlow and of this crate do, are no harm.
    ///
    /// Errors: as [`SavedModel::open`].
    pub fn open_mapped(dir: impl AsRef<Path>) -> Result<SavedModel, Error> {
        SavedModel::open_with(dir.as_ref(), true)
    }

    pub(crate) fn open_with(dir: &Path, mmap: bool) -> Result<SavedModel, Error> {
        Ok(match Content::read(dir, mmap)? {
            Content::Mapped(bytes, file) => {
                SavedModel { file: Some(file), ..SavedModel::from_pb(dir, bytes)? }
            }
            Content::Pb(bytes) => SavedModel::from_pb(dir, bytes)?,
            Content::Cpb(bytes) => SavedModel::from_cpb(dir, bytes)?,
            Content::Pbtxt(bytes) => SavedModel::from_pbtxt(dir, &bytes)?,
        })
    }

    /// Decodes the content of a `saved_model.pb`; `dir` is where its variables and assets are.
    ///
    /// Errors: `DATA_LOSS` if it cannot be parsed.
    pub fn from_pb(dir: impl Into<PathBuf>, bytes: Bytes) -> Result<SavedModel, Error> {
        SavedModel::decode(dir.into(), SAVED_MODEL_FILENAME_PB, bytes)
    }

    /// Puts the content of a `saved_model.cpb` together, the form in chunks for models above two
    /// gigabytes, and decodes it; `dir` is where its variables and assets are.
    ///
    /// Checksums are checked. Errors: `DATA_LOSS` if it is damaged or cannot be parsed, `UNIMPLEMENTED` for
    /// records in forms that TensorFlow does not write, `RESOURCE_EXHAUSTED` for one that decompresses to
    /// more than a thousand times its size.
    pub fn from_cpb(dir: impl Into<PathBuf>, bytes: Bytes) -> Result<SavedModel, Error> {
        let dir = dir.into();
        let message = joined(&dir, &bytes)?;
        SavedModel::decode(dir, SAVED_MODEL_FILENAME_CPB, message)
    }

    fn decode(dir: PathBuf, name: &str, bytes: Bytes) -> Result<SavedModel, Error> {
        let stored = decode_with(stored::decode, &dir, name, bytes)?;
        Ok(SavedModel { dir, file: None, stored, whole: OnceLock::new() })
    }

    /// Parses the content of a `saved_model.pbtxt`; `dir` is where its variables and assets are.
    ///
    /// Errors: `DATA_LOSS` if it cannot be parsed, with line and column.
    pub fn from_pbtxt(dir: impl Into<PathBuf>, bytes: &[u8]) -> Result<SavedModel, Error> {
        let dir = dir.into();
        let stored = Stored { def: parsed(&dir, bytes)?, functions: Vec::new() };
        Ok(SavedModel { dir, file: None, stored, whole: OnceLock::new() })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file, if it is mapped.
    pub(crate) fn file(&self) -> Option<Arc<dyn Source>> {
        self.file.clone()
    }

    /// The message as it was read; functions are decoded at the first call.
    pub fn def(&self) -> &pb::SavedModel {
        if self.stored.functions.iter().all(Vec::is_empty) {
            return &self.stored.def;
        }
        self.whole.get_or_init(|| self.stored.clone().decoded())
    }

    /// The message, without the directory.
    pub fn into_def(self) -> pb::SavedModel {
        self.whole.into_inner().unwrap_or_else(|| self.stored.decoded())
    }

    /// The message as it is held, without the directory.
    pub(crate) fn into_stored(self) -> Stored {
        self.stored
    }

    /// Whether it is a model of TensorFlow 2: one MetaGraph, with its objects.
    pub(crate) fn holds_objects(&self) -> bool {
        let meta_graphs = self.stored.def.meta_graphs.as_slice();
        matches!(meta_graphs, [only] if only.object_graph_def.is_some())
    }

    /// The graph of the MetaGraph at a position, and the functions that are apart from it.
    pub(crate) fn graph(&self, idx: usize) -> Option<(&pb::GraphDef, &[stored::Function])> {
        let graph = self.stored.def.meta_graphs.get(idx)?.graph_def.as_ref()?;
        Some((graph, self.stored.functions.get(idx).map(Vec::as_slice).unwrap_or_default()))
    }

    /// The tags of each MetaGraph, in the file's order.
    pub fn tag_sets(&self) -> Vec<&[String]> {
        tag_sets(&self.stored.def)
    }

    /// The position of the first MetaGraph whose tags are exactly `wanted`, in any order.
    ///
    /// Errors: `NOT_FOUND`, listing the tag sets that are there.
    pub fn find(&self, wanted: &[&str]) -> Result<usize, Error> {
        find(&self.stored.def, wanted)
    }

    /// Imports the MetaGraph whose tags are exactly `tags`.
    ///
    /// Errors: `NOT_FOUND`, listing the tag sets that are there, in the words of TensorFlow's loader
    /// (those of [`SavedModel::find`] are of its command line); those of importing its graph.
    pub fn meta_graph(self, tags: &[&str]) -> Result<MetaGraph, Error> {
        self.meta_graph_with(tags, &ImportOptions::default())
    }

    /// As [`SavedModel::meta_graph`], for graphs that are imported in a way of their own.
    ///
    /// Errors: as [`SavedModel::meta_graph`].
    pub fn meta_graph_with(
        mut self,
        tags: &[&str],
        options: &ImportOptions,
    ) -> Result<MetaGraph, Error> {
        let idx = self.find(tags).map_err(|_| no_such_tags(&self, tags))?;
        let def = self.stored.def.meta_graphs.swap_remove(idx);
        let functions = self.stored.functions.get_mut(idx).map(std::mem::take).unwrap_or_default();
        // The file's other MetaGraphs are not needed while this one is imported.
        drop(self);
        let functions = functions.into_iter().map(Function::from).collect();
        Ok(MetaGraph::import_with_functions(def, functions, options)?)
    }
}

impl fmt::Debug for SavedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SavedModel { dir, file: _, stored, whole } = self;
        f.debug_struct("SavedModel")
            .field("dir", dir)
            .field("stored", stored)
            .field("whole", whole)
            .finish_non_exhaustive()
    }
}

/// The file that a SavedModel directory has its message in.
pub(crate) enum Content {
    /// `saved_model.pb`, and the file that its bytes are a view of.
    Mapped(Bytes, Arc<dyn Source>),
    /// `saved_model.pb`.
    Pb(Bytes),
    /// `saved_model.cpb`.
    Cpb(Bytes),
    /// `saved_model.pbtxt`.
    Pbtxt(Vec<u8>),
}

impl Content {
    /// The first that is there, mapped if it is a `saved_model.pb` and the system can.
    pub(crate) fn read(dir: &Path, mmap: bool) -> Result<Content, Error> {
        let path = dir.join(SAVED_MODEL_FILENAME_PB);
        if mmap && let Some(file) = found(&path, source::open(&path, true))? {
            let bytes = usize::try_from(file.len()).map_err(|_| io::ErrorKind::OutOfMemory.into());
            let bytes = bytes.and_then(|len| file.read_at(0, len));
            let bytes = bytes.map_err(|source| Error::Io { path: path.clone(), source })?;
            return Ok(Content::Mapped(not_empty(&path, bytes)?, file));
        } else if let Some(bytes) = read(&path)? {
            return Ok(Content::Pb(not_empty(&path, bytes.into())?));
        }
        if let Some(bytes) = read(&dir.join(SAVED_MODEL_FILENAME_CPB))? {
            return Ok(Content::Cpb(bytes.into()));
        }
        match read(&dir.join(SAVED_MODEL_FILENAME_PBTXT))? {
            Some(bytes) => Ok(Content::Pbtxt(bytes)),
            None => {
                let instead = instead_of_saved_model(dir);
                Err(Error::NotASavedModel { dir: dir.to_owned(), instead })
            }
        }
    }
}

/// A `saved_model.pb` without a byte is a message without anything, and what a copy that failed leaves.
fn not_empty(path: &Path, bytes: Bytes) -> Result<Bytes, Error> {
    if bytes.is_empty() {
        let reason = format!("it is empty; {COPY_AGAIN}");
        return Err(Error::Parse { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

/// The message of a `saved_model.cpb`.
pub(crate) fn joined(dir: &Path, bytes: &Bytes) -> Result<Bytes, Error> {
    chunked::join(bytes).map_err(|damage| Error::Chunks {
        path: dir.join(SAVED_MODEL_FILENAME_CPB),
        code: damage.code,
        reason: damage.message,
    })
}

/// The message of a `saved_model.pbtxt`.
pub(crate) fn parsed(dir: &Path, bytes: &[u8]) -> Result<pb::SavedModel, Error> {
    let parsed = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let parsed =
        parsed.and_then(|source| text::parse_message(source).map_err(|error| error.to_string()));
    parsed.map_err(|reason| Error::ParseText { path: dir.join(SAVED_MODEL_FILENAME_PBTXT), reason })
}

/// What `decode` makes of the message that a file of the directory holds.
pub(crate) fn decode_with<T>(
    decode: impl FnOnce(Bytes) -> Result<T, DecodeError>,
    dir: &Path,
    name: &str,
    bytes: Bytes,
) -> Result<T, Error> {
    decode(bytes.clone()).map_err(|error| Error::Parse {
        path: dir.join(name),
        reason: damage(Kind::SavedModel, &bytes, &error),
    })
}

fn tags(meta_graph: &pb::MetaGraphDef) -> &[String] {
    meta_graph.meta_info_def.as_ref().map(|info| &info.tags[..]).unwrap_or_default()
}

pub(crate) fn tag_sets(model: &pb::SavedModel) -> Vec<&[String]> {
    model.meta_graphs.iter().map(tags).collect()
}

/// As [`SavedModel::find`].
pub(crate) fn find(model: &pb::SavedModel, wanted: &[&str]) -> Result<usize, Error> {
    let is_wanted = |tags: &[String]| {
        wanted.iter().all(|tag| tags.iter().any(|t| t == tag))
            && tags.iter().all(|tag| wanted.contains(&&**tag))
    };
    let position = model.meta_graphs.iter().position(|meta_graph| is_wanted(tags(meta_graph)));
    position.ok_or_else(|| Error::NoSuchTags {
        tags: wanted.join(","),
        present: tag_sets(model).iter().map(|tags| tags.join(",")).collect(),
    })
}

/// The file's content, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    found(path, std::fs::read(path))
}

/// What was opened, or `None` if there is no such file.
fn found<T>(path: &Path, opened: io::Result<T>) -> Result<Option<T>, Error> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(source) => Err(Error::Io { path: path.to_owned(), source }),
    }
}

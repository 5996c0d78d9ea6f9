//! Files with MetaGraphs, as `import_meta_graph` and `export_meta_graph` treat them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flowkeep_proto::prost::Message;
use flowkeep_proto::{pb, text};

use super::detect::what_else;
use super::message::to_bytes;
use super::read::{read, shortened};
use super::{FileError, Form, Kind, damage, write_atomically};

const SUFFIX: &str = ".meta";

/// Reads a MetaGraph from a file, binary or text, or from the one beside a checkpoint:
/// `train/model.ckpt-10` leads to `train/model.ckpt-10.meta`, see [`meta_graph_file`].
///
/// Whatever decodes counts, as in TensorFlow, also an empty file and one with fields that are not
/// known. Constants are views of the bytes that were read.
///
/// Errors: `NOT_FOUND` and `DATA_LOSS`, with TensorFlow's texts; `RESOURCE_EXHAUSTED` for a file that
/// is too large; those of the system.
pub fn read_meta_graph_file(path: &Path) -> Result<pb::MetaGraphDef, FileError> {
    let beside = meta_graph_file(path);
    if !path.is_file() && !beside.is_file() {
        return Err(FileError::NoMetaGraph { path: path.to_owned() });
    }
    let parsed = if path.is_file() { parse(path) } else { parse(&beside) };
    match parsed {
        // A checkpoint of version 1 is a file of its own.
        Err(FileError::ParseMetaGraph { .. }) if beside != path && beside.is_file() => {
            parse(&beside)
        }
        parsed => parsed,
    }
}

/// The file of the MetaGraph that is written with a checkpoint: its prefix, without the numbers of
/// shards, and `.meta`. The name of such a file stays.
///
/// ```
/// use std::path::Path;
///
/// use flowkeep_graph::file::meta_graph_file;
///
/// for name in ["train/m-10", "train/m-10-?????-of-00002", "train/m-10.meta"] {
///     assert_eq!(meta_graph_file(Path::new(name)), Path::new("train/m-10.meta"));
/// }
/// ```
pub fn meta_graph_file(path: &Path) -> PathBuf {
    let Some(name) = path.file_name() else { return path.to_owned() };
    let mut file = match name.to_str() {
        Some(name) if name.ends_with(SUFFIX) => return path.to_owned(),
        Some(name) => OsString::from(without_shards(name)),
        None => name.to_owned(),
    };
    file.push(SUFFIX);
    path.with_file_name(file)
}

/// The name of a sharded checkpoint, `m-?????-of-00002`, without what tells its shards.
fn without_shards(name: &str) -> &str {
    let shards = name.rsplit_once("-of-").and_then(|(head, n_shards)| {
        let (name, shard) = head.rsplit_once('-')?;
        let is_count = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_shard = shard.bytes().all(|byte| byte.is_ascii_digit() || byte == b'?');
        (is_shard && is_count(n_shards) && !shard.is_empty() && !n_shards.is_empty())
            .then_some(name)
    });
    shards.unwrap_or(name)
}

fn parse(path: &Path) -> Result<pb::MetaGraphDef, FileError> {
    let bytes: Bytes = read(path)?;
    let failed = |what| FileError::ParseMetaGraph { path: path.to_owned(), what: shortened(what) };
    let not_binary = match pb::MetaGraphDef::decode(bytes.clone()) {
        Ok(def) => return Ok(def),
        Err(error) => match what_else(&bytes) {
            "" => damage(Kind::MetaGraphDef, &bytes, &error),
            what => format!("{error}{what}"),
        },
    };
    let source = std::str::from_utf8(&bytes).map_err(|_| failed(not_binary))?;
    let mut def = pb::MetaGraphDef::default();
    text::merge_message(&mut def, source).map_err(|error| failed(error.to_string()))?;
    Ok(def)
}

/// Writes a MetaGraph into a file, whose directory is made if it is not there; a file that is there is
/// replaced.
///
/// The bytes are those of `tf.compat.v1.train.export_meta_graph`. They are written beside their place
/// and then put into it.
///
/// Errors: `RESOURCE_EXHAUSTED` for MetaGraphs of 2 GiB and more; those of the system.
pub fn write_meta_graph(def: &pb::MetaGraphDef, path: &Path, form: Form) -> Result<(), FileError> {
    let bytes = to_bytes(def, Kind::MetaGraphDef, form)?;
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|source| FileError::Io { path: dir.to_owned(), source })?;
    }
    write_atomically(path, &bytes, true)
}

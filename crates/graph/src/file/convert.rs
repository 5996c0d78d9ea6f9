use std::path::Path;

use bytes::Bytes;

use super::read::{find, read};
use super::{FileError, Form, GraphFile, Kind};

/// A message in another form.
#[derive(Clone, Debug)]
pub struct Converted {
    /// What the message is.
    pub kind: Kind,
    /// The form that it had.
    pub from: Form,
    /// The message in the form that was asked for.
    pub bytes: Bytes,
}

/// Turns a file with a graph, or the one in a SavedModel's directory, into the other form, from message to
/// message: nothing is imported, so that graphs which no reader takes are converted too.
///
/// Text has maps sorted by key, binary is deterministic, as TensorFlow writes them. A binary message
/// that is to be binary stays as it is, with whatever this reader does not know of; text cannot hold
/// that. A text that is to be text is formatted anew, and loses its comments.
///
/// Errors: as [`GraphFile::open`] and [`super::GraphMessage::to_bytes`].
pub fn convert(path: &Path, to: Form) -> Result<Converted, FileError> {
    let (file, only) = find(path)?;
    let bytes = read(&file)?;
    converted(GraphFile::parse(&file, bytes.clone(), only)?, bytes, to)
}

/// Turns what has already been read from a file into the other form, as [`convert`] does; of `path` no
/// more than the name is used.
///
/// Errors: as [`GraphFile::from_bytes`] and [`super::GraphMessage::to_bytes`].
pub fn convert_bytes(path: &Path, bytes: Bytes, to: Form) -> Result<Converted, FileError> {
    converted(GraphFile::from_bytes(path, bytes.clone())?, bytes, to)
}

fn converted(file: GraphFile, bytes: Bytes, to: Form) -> Result<Converted, FileError> {
    let (kind, from) = (file.message.kind(), file.form);
    let bytes = match (from, to) {
        (Form::Binary, Form::Binary) => bytes,
        _ => file.message.to_bytes(to)?.into(),
    };
    Ok(Converted { kind, from, bytes })
}

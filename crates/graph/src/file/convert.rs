use std::path::Path;

use bytes::Bytes;

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

/// Turns the content of a file with a graph into the other form, from message to message: nothing is
/// imported, so that graphs which no reader takes are converted too.
///
/// Text has maps sorted by key, binary is deterministic, as TensorFlow writes them. A binary message
/// that is to be binary stays as it is, with whatever this reader does not know of; text cannot hold
/// that. A text that is to be text is formatted anew, and loses its comments.
///
/// Errors: as [`GraphFile::from_bytes`] and [`super::GraphMessage::to_bytes`].
pub fn convert(path: &Path, bytes: Bytes, to: Form) -> Result<Converted, FileError> {
    let file = GraphFile::from_bytes(path, bytes.clone())?;
    let (kind, from) = (file.message.kind(), file.form);
    let bytes = match (from, to) {
        (Form::Binary, Form::Binary) => bytes,
        _ => file.message.to_bytes(to)?.into(),
    };
    Ok(Converted { kind, from, bytes })
}

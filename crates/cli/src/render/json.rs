//! Views and errors as JSON, one document per run of the command.

use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::json_error;
use crate::error::Error;

/// Writes a document, indented, with a line break at its end.
pub(crate) fn document(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Error> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(json_error)?;
    out.write_all(b"\n").map_err(Error::Output)
}

/// Writes an error: `{"error": {"code", "message"}}`.
pub(crate) fn error(error: &Error, out: &mut dyn Write) -> Result<(), Error> {
    let code = error.code().name();
    document(&json!({"error": {"code": code, "message": error.to_string()}}), out)
}

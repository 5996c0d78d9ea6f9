//! Views as text, in TensorFlow's layout, or as JSON.

pub(crate) mod graph;
pub(crate) mod json;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod trace;

use std::io::{self, Write};

use crate::error::Error;

/// Writes pieces of text and turns failures into the command's error.
pub(crate) struct Page<'a>(pub(crate) &'a mut dyn Write);

impl Page<'_> {
    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Error> {
        self.text(text)?;
        self.text("\n")
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> Result<(), Error> {
        self.0.write_all(text.as_ref().as_bytes()).map_err(Error::Output)
    }
}

/// What failed while JSON was written.
fn json_error(error: serde_json::Error) -> Error {
    Error::Output(io::Error::from(error))
}

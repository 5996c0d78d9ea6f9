use std::path::{Path, PathBuf};

use flowkeep_graph::file::{convert, convert_bytes, write_atomically};
use serde_json::json;

use super::Context;
use super::edit::To;
use super::source::{STANDARD, standard_input};
use crate::args;
use crate::error::Error;
use crate::render::{Page, json};

/// Write a graph as text or binary
///
/// From message to message: everything is kept, also what no graph may be made of. What is binary already
/// stays as it is; text is formatted anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep graph convert --to text frozen.pb frozen.pbtxt
  flowkeep graph convert --to binary model.meta.txt model.ckpt-100.meta --overwrite
  flowkeep graph convert --to text saved_model - | less")]
pub(super) struct Args {
    /// The form to write
    #[arg(long, value_enum, value_name = "FORM")]
    to: To,
    /// The file to read, or a SavedModel's directory; - for standard input
    src: PathBuf,
    /// The file to write; - for standard output
    dst: PathBuf,
    /// Replace what is there
    #[arg(long)]
    overwrite: bool,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let form = self.to.form();
        let src = self.src.display();
        let converted = match self.src == Path::new(STANDARD) {
            true => convert_bytes(&self.src, standard_input()?, form)?,
            false => convert(&self.src, form)?,
        };
        if self.dst == Path::new(STANDARD) {
            return cx.out.write_all(&converted.bytes).map(|()| 0).map_err(Error::Output);
        }
        write_atomically(&self.dst, &converted.bytes, self.overwrite)?;
        match cx.format {
            args::Format::Json => {
                let document = json!({
                    "from": {"path": src.to_string(), "form": converted.from.name()},
                    "written": {
                        "path": self.dst.display().to_string(),
                        "kind": converted.kind.name(),
                        "form": form.name(),
                        "bytes": converted.bytes.len(),
                    },
                });
                json::document(&document, cx.out)?;
            }
            args::Format::Text => {
                let (kind, len) = (converted.kind, converted.bytes.len());
                let dst = self.dst.display();
                Page(cx.out).line(format!("{dst} ({kind}, {}): {len} bytes", form.name()))?;
            }
        }
        Ok(0)
    }
}

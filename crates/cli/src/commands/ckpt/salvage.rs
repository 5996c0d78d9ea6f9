use std::path::PathBuf;

use flowkeep_ckpt::{Format, counted, salvage, shown};
use serde_json::json;

use super::Context;
use super::flags::{Read, Write};
use super::written::{names, reasons, report};
use crate::error::Error;

/// Copy what is intact of a damaged checkpoint, and list what is not
///
/// Reads an index block by block, and entries of damaged blocks as far as they make sense. Nothing that
/// fails its checksum is copied.
#[derive(Debug, clap::Args)]
#[command(mut_arg("no_verify", |arg| arg.hide(true)), after_help = "\
Example:
  flowkeep ckpt salvage train/model.ckpt-100 rescued/model.ckpt")]
pub(super) struct Args {
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix to write
    dst: PathBuf,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let output = self.write.output(&self.dst, Format::V2, &self.read);
        let done = salvage(&self.src, self.read.options(), &output, |n_bytes| {
            let bar = cx.bar(n_bytes);
            move |n| bar.advance(n)
        })?;
        let mut lines = Vec::new();
        lines.extend(done.index_damage.iter().map(|what| format!("index: {what}")));
        lines.extend(
            done.lost.iter().map(|(name, error)| format!("lost: {} ({error})", shown(name))),
        );
        lines.extend(done.uncertain.iter().map(|name| {
            format!(
                "uncertain: {name} (the bytes are right, but name, type and shape may be damaged)"
            )
        }));
        lines.push(format!(
            "{} kept, {} lost",
            counted(done.kept.len(), "tensor"),
            done.lost.len()
        ));
        let more = json!({
            "kept": names(&done.kept),
            "uncertain": names(&done.uncertain),
            "lost": reasons(&done.lost),
            "index_damage": done.index_damage,
        });
        report(cx, &output, &done.written, &lines, more)?;
        Ok(0)
    }
}

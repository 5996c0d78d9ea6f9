use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use flowkeep_ckpt::{ConvertOptions, Format, convert, convert_len};
use serde_json::json;

use super::Context;
use super::flags::{Read, Select, Write};
use super::written::report;
use crate::error::Error;

/// Write the tensors of a checkpoint in another format
///
/// Formats: v2 (what TensorFlow writes today), v1, npz (keys are the tensor names), npy (one tensor),
/// safetensors, raw (a folder of little-endian elements and a manifest).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt convert --to npz train/model.ckpt-100 weights.npz
  flowkeep ckpt convert --to v2 weights.safetensors train/model.ckpt
  flowkeep ckpt convert --to v1 --match 'encoder/*' train encoder.ckpt")]
pub(super) struct Args {
    /// The format to write
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    to: String,
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix, file or folder to write
    dst: PathBuf,
    /// Leave out tensors that the format cannot hold, and damaged ones, instead of failing
    #[arg(long)]
    skip: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

fn formats() -> PossibleValuesParser {
    PossibleValuesParser::new(Format::ALL.iter().map(|format| format.name()))
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let format = Format::from_name(&self.to).unwrap_or(Format::V2);
        let from = self.read.open(&self.src)?;
        let output = self.write.output(&self.dst, format, &self.read);
        let options = ConvertOptions { selection: self.select.selection()?, skip: self.skip };
        let bar = cx.bar(convert_len(&from, &options, format)?);
        let written = convert(&from, &options, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        report(cx, &output, &written, &[], json!({"from": from.found()}))?;
        Ok(0)
    }
}

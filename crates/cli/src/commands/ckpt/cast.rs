use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use flowkeep_ckpt::{Format, cast, counted};
use flowkeep_tensor::DType;
use serde_json::json;

use super::Context;
use super::flags::{Read, Select, Write};
use super::written::{names, report};
use crate::error::Error;

/// Give float tensors another float type
///
/// Values are rounded to the nearest, ties to even; what is too large becomes infinite. All other tensors
/// are copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt cast --to bf16 train/model.ckpt-100 out/model.ckpt
  flowkeep ckpt cast --to f16 --match '*/kernel' train out")]
pub(super) struct Args {
    /// The type
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(["f16", "bf16", "f32", "f64"]))]
    to: String,
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix to write
    dst: PathBuf,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let to = match &*self.to {
            "f16" => DType::F16,
            "bf16" => DType::BF16,
            "f64" => DType::F64,
            _ => DType::F32,
        };
        let from = self.read.open(&self.src)?;
        let output = self.write.output(&self.dst, Format::V2, &self.read);
        let bar = cx.bar(from.len_bytes());
        let selection = self.select.selection()?;
        let done = cast(&from, to, &selection, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        let cast = counted(done.cast.len(), "tensor");
        let line = format!("{cast} cast to {to}, {} kept", done.n_kept);
        report(cx, &output, &done.written, &[line], json!({"cast": names(&done.cast)}))?;
        Ok(0)
    }
}

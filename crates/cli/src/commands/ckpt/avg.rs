use std::path::PathBuf;

use flowkeep_ckpt::{AvgOptions, Format, avg, counted};
use serde_json::json;

use super::Context;
use super::flags::{Read, Select, Write};
use super::written::{names, report};
use crate::error::Error;

/// Average the float tensors of several checkpoints
///
/// All checkpoints must have the same tensors. What is not averaged (integers, strings, what is not
/// selected) is that of the last one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt avg train/model.ckpt-{100,200,300} out/model.ckpt
  flowkeep ckpt avg --weights 1,1,2 a b c out/model.ckpt")]
pub(super) struct Args {
    /// The checkpoints to read, then the prefix to write
    #[arg(required = true, num_args = 2.., value_names = ["SRC", "DST"])]
    paths: Vec<PathBuf>,
    /// The weight of each checkpoint; they are divided by their sum
    #[arg(long, value_name = "W,W,...", value_delimiter = ',', allow_hyphen_values = true)]
    weights: Vec<f64>,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let Some((dst, sources)) = self.paths.split_last() else { return Ok(0) };
        let from = sources.iter().map(|path| self.read.open(path));
        let from = from.collect::<Result<Vec<_>, _>>()?;
        let output = self.write.output(dst, Format::V2, &self.read);
        let options =
            AvgOptions { weights: self.weights.clone(), selection: self.select.selection()? };
        let bar = cx.bar(from.last().map_or(0, |from| from.len_bytes()));
        let done = avg(&from, &options, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        let averaged = counted(done.n_averaged, "tensor");
        let line = format!("{averaged} averaged, {} taken from the last", done.taken.len());
        let more = json!({"averaged": done.n_averaged, "taken": names(&done.taken)});
        report(cx, &output, &done.written, &[line], more)?;
        Ok(0)
    }
}

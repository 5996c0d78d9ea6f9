use std::path::PathBuf;

use clap::ValueEnum;
use flowkeep_ckpt::{Format, MergeOptions, OnConflict, merge};
use serde_json::json;

use super::Context;
use super::flags::{Read, Select, Write};
use super::written::report;
use crate::error::Error;

/// Put the tensors of several checkpoints into one
///
/// Slices of one tensor from several checkpoints come together.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt merge encoder.ckpt decoder.ckpt model.ckpt
  flowkeep ckpt merge --on-conflict last base.ckpt finetuned.ckpt model.ckpt")]
pub(super) struct Args {
    /// The checkpoints to read, then the prefix to write
    #[arg(required = true, num_args = 2.., value_names = ["SRC", "DST"])]
    paths: Vec<PathBuf>,
    /// What becomes of a tensor that several have
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_conflict: Conflict,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Conflict {
    /// It is an error
    #[default]
    Error,
    /// That of the first checkpoint is taken
    First,
    /// That of the last checkpoint is taken
    Last,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let Some((dst, sources)) = self.paths.split_last() else { return Ok(0) };
        let from = sources.iter().map(|path| self.read.open(path));
        let from = from.collect::<Result<Vec<_>, _>>()?;
        let output = self.write.output(dst, Format::V2, &self.read);
        let options = MergeOptions {
            selection: self.select.selection()?,
            on_conflict: match self.on_conflict {
                Conflict::Error => OnConflict::Refuse,
                Conflict::First => OnConflict::First,
                Conflict::Last => OnConflict::Last,
            },
        };
        let bar = cx.bar(from.iter().map(|from| from.len_bytes()).sum());
        let written = merge(&from, &options, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        let found: Vec<_> = from.iter().map(|from| from.found()).collect();
        report(cx, &output, &written, &[], json!({"from": found}))?;
        Ok(0)
    }
}

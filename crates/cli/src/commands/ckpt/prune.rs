use std::path::PathBuf;

use flowkeep_ckpt::{Format, PruneOptions, PruneReport, Pruned, counted, plan_prune, prune, shown};
use serde_json::{Value, json};

use super::Context;
use super::flags::{Read, Select, Write};
use super::written::{names, report};
use crate::error::Error;
use crate::render::{Page, json};

/// Leave tensors out
///
/// Keeps the tensors that --match and --regex select and --exclude does not; --slots also leaves out what
/// only training needs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt prune --slots train/model.ckpt-100 serve/model.ckpt
  flowkeep ckpt prune --exclude 'head/*' --dry-run train out")]
pub(super) struct Args {
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix to write
    dst: PathBuf,
    /// Leave out optimizer slots and training-only scalars
    #[arg(long)]
    slots: bool,
    /// Only say what would be left out
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let from = self.read.open(&self.src)?;
        let options = PruneOptions { selection: self.select.selection()?, slots: self.slots };
        if self.dry_run {
            let report = plan_prune(&from, &options)?;
            if cx.format == crate::args::Format::Json {
                json::document(&view(&report), cx.out)?;
            } else {
                let mut page = Page(cx.out);
                lines(&report).iter().try_for_each(|line| page.line(line))?;
            }
            return Ok(0);
        }
        let output = self.write.output(&self.dst, Format::V2, &self.read);
        let bar = cx.bar(from.len_bytes());
        let pruned = prune(&from, &options, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        report(cx, &output, &pruned.written, &lines(&pruned), view(&pruned))?;
        Ok(0)
    }
}

fn lines(report: &PruneReport) -> Vec<String> {
    let mut lines: Vec<_> = report
        .pruned
        .iter()
        .map(|(name, why)| format!("left out: {} ({})", shown(name), words(*why)))
        .collect();
    let kept = counted(report.kept.len(), "tensor");
    lines.push(format!("{kept} kept, {} left out", report.pruned.len()));
    lines
}

fn view(report: &PruneReport) -> Value {
    let pruned = report.pruned.iter();
    let pruned: Vec<_> = pruned
        .map(|(name, why)| json!({"name": name.to_string(), "reason": words(*why)}))
        .collect();
    json!({"kept": names(&report.kept), "pruned": pruned})
}

fn words(why: Pruned) -> &'static str {
    match why {
        Pruned::ByName => "not selected",
        Pruned::Slot => "optimizer slot",
        Pruned::TrainingState => "training state",
    }
}

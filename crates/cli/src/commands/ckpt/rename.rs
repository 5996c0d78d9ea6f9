use std::fs;
use std::path::PathBuf;

use flowkeep_ckpt::{Format, RenameRule, counted, new_names, rename, shown};
use serde_json::json;

use super::Context;
use super::flags::{Read, Write};
use super::written::report;
use crate::error::Error;
use crate::render::Page;

/// Give tensors other names
///
/// Rules apply one after the other: the map first, then each --sub in turn. Slices and the object graph
/// of a tf.train.Checkpoint follow.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt rename --sub '^tower_0/' '' train/model.ckpt-100 out/model.ckpt
  flowkeep ckpt rename --sub 'layer_(\\d+)' 'block\\1' --dry-run train out
  flowkeep ckpt rename --map names.txt train out

A map has an old and a new name on each line, separated by a tab or blanks.")]
pub(super) struct Args {
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix to write
    dst: PathBuf,
    /// Replace every match of a regular expression; \1 or $1 stands for a group
    #[arg(long = "sub", num_args = 2, value_names = ["REGEX", "REPLACEMENT"], allow_hyphen_values = true)]
    subs: Vec<String>,
    /// A file of old and new names
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Only say what would be renamed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let mut rules = Vec::new();
        if let Some(path) = &self.map {
            let text = fs::read_to_string(path)
                .map_err(|source| Error::Io { path: path.clone(), source })?;
            let rule = RenameRule::parse_map(&text).map_err(|error| Error::Failed {
                code: error.code(),
                message: format!("{}: {error}", path.display()),
            });
            rules.push(rule?);
        }
        for sub in self.subs.chunks_exact(2) {
            rules.push(RenameRule::regex(&sub[0], &sub[1])?);
        }
        if rules.is_empty() {
            return Err(Error::invalid("there is nothing to rename by: give --sub or --map"));
        }
        let from = self.read.open(&self.src)?;
        let output = self.write.output(&self.dst, Format::V2, &self.read);
        let pairs = |names: &[(flowkeep_bundle::Key, flowkeep_bundle::Key)]| -> Vec<[String; 2]> {
            let changed = names.iter().filter(|(old, new)| old != new);
            changed.map(|(old, new)| [old.to_string(), new.to_string()]).collect()
        };
        if self.dry_run {
            let renamed = pairs(&new_names(&from, &rules)?);
            if cx.format == crate::args::Format::Json {
                crate::render::json::document(&json!({"renamed": renamed}), cx.out)?;
                return Ok(0);
            }
            let mut page = Page(cx.out);
            renamed.iter().try_for_each(|[old, new]| page.line(arrow(old, new)))?;
            page.line(format!("{} would be renamed", counted(renamed.len(), "tensor")))?;
            return Ok(0);
        }
        let bar = cx.bar(from.len_bytes());
        let renamed = rename(&from, &rules, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        let names = pairs(&renamed.renamed);
        let mut lines: Vec<_> = names.iter().map(|[old, new]| arrow(old, new)).collect();
        lines.push(format!("{} renamed, {} kept", names.len(), renamed.n_kept));
        report(cx, &output, &renamed.written, &lines, json!({"renamed": names}))?;
        Ok(0)
    }
}

fn arrow(old: &str, new: &str) -> String {
    format!("{} -> {}", shown(old.as_bytes()), shown(new.as_bytes()))
}

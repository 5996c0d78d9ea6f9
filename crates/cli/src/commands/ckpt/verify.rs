use std::path::PathBuf;

use flowkeep_bundle::Oddity;
use flowkeep_ckpt::{Verified, counted, shown, verify_at};
use serde_json::{Value, json};

use super::flags::Read;
use super::written::{reasons, size};
use super::{Context, NO};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// Check every byte of a checkpoint
///
/// Compares all checksums, and looks for slices that overlap or are missing. Bytes that belong to no
/// tensor, or to two, are named; they do no harm. Exit status: 0 sound, 1 damaged, 2 trouble.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The checkpoints to check
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    read: Read,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let mut documents = Vec::new();
        let mut status = 0;
        for path in &self.paths {
            let (found, verified) = verify_at(path, self.read.options(), |n_bytes| {
                let bar = cx.bar(n_bytes);
                move |n| bar.advance(n)
            })?;
            if !verified.is_sound() {
                status = NO;
            }
            match cx.format {
                Format::Json => documents.push(view(&found, &verified)),
                Format::Text => text(&found, &verified, &mut Page(cx.out))?,
            }
        }
        if cx.format == Format::Json {
            json::document(&json!({"checkpoints": documents}), cx.out)?;
        }
        Ok(status)
    }
}

fn text(found: &str, verified: &Verified, page: &mut Page<'_>) -> Result<(), Error> {
    for what in &verified.index_damage {
        page.line(format!("damaged: index: {what}"))?;
    }
    for (name, error) in &verified.damaged {
        page.line(format!("damaged: {}: {error}", shown(name)))?;
    }
    for oddity in &verified.oddities {
        page.line(format!("note: {}", words(oddity)))?;
    }
    let n_tensors = counted(verified.n_tensors, "tensor");
    let verdict = match verified.damaged.len() {
        0 if verified.is_sound() => "sound".to_owned(),
        0 => "its index is damaged".to_owned(),
        n => format!("{n} damaged"),
    };
    page.line(format!("{found}: {n_tensors}, {} checked, {verdict}", size(verified.n_bytes)))
}

fn view(found: &str, verified: &Verified) -> Value {
    json!({
        "checkpoint": found,
        "sound": verified.is_sound(),
        "tensors": verified.n_tensors,
        "bytes": verified.n_bytes,
        "index_damage": verified.index_damage,
        "damaged": reasons(&verified.damaged),
        "notes": verified.oddities.iter().map(words).collect::<Vec<_>>(),
    })
}

fn words(oddity: &Oddity) -> String {
    match oddity {
        Oddity::Gap { shard, offset, len } => {
            format!("{len} bytes from byte {offset} on of data file {shard} belong to no tensor")
        }
        Oddity::Shared { shard, offset, len, keys: [a, b] } => {
            format!(
                "{len} bytes from byte {offset} on of data file {shard} belong to {a} and to {b}"
            )
        }
        Oddity::StraySlice { key } => format!("{key} is stored, but its tensor does not list it"),
        _ => format!("{oddity:?}"),
    }
}

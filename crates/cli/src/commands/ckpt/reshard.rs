use std::path::PathBuf;

use flowkeep_ckpt::{Format, Shards, reshard};
use serde_json::json;

use super::Context;
use super::flags::{Read, Write};
use super::written::report;
use crate::error::Error;

/// Distribute the tensors over other data files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt reshard --shards 1 sharded.ckpt whole.ckpt
  flowkeep ckpt split --max-size 2GB model.ckpt parts/model.ckpt")]
#[command(group = clap::ArgGroup::new("how").required(true).args(["shards", "max_size"]))]
pub(super) struct Args {
    /// The checkpoint to read
    src: PathBuf,
    /// The prefix to write
    dst: PathBuf,
    /// The number of data files, of about the same size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99_999))]
    shards: Option<u32>,
    /// The most bytes of a data file, such as 500MB or 2GiB; larger tensors are stored in slices
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    #[command(flatten)]
    read: Read,
    #[command(flatten)]
    write: Write,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let shards = match (self.shards, self.max_size) {
            (_, Some(max_len)) => Shards::MaxLen(max_len),
            (shards, None) => Shards::Count(shards.unwrap_or(1)),
        };
        let from = self.read.open(&self.src)?;
        let output = self.write.output(&self.dst, Format::V2, &self.read);
        let bar = cx.bar(from.len_bytes());
        let written = reshard(&from, shards, &output, Some(&|n| bar.advance(n)))?;
        drop(bar);
        let n_shards = flowkeep_bundle::BundleReader::open(&output.path)
            .map_err(flowkeep_ckpt::Error::from)?
            .header()
            .n_shards;
        let line = format!("{n_shards} data files");
        report(cx, &output, &written, &[line], json!({"data_files": n_shards}))?;
        Ok(0)
    }
}

/// A number of bytes with a unit: kB, MB, GB and TB are powers of 1000, KiB and so on of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000_u64.pow(2),
        "g" | "gb" => 1000_u64.pow(3),
        "t" | "tb" => 1000_u64.pow(4),
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return Err(format!("'{unit}' is not a unit of size")),
    };
    let value: f64 = number.parse().map_err(|_| format!("'{text}' is not a size"))?;
    let bytes = value * factor as f64;
    if (1.0..9e18).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(format!("'{text}' is not a size"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("1", 1),
            ("10kB", 10_000),
            ("1.5KiB", 1536),
            ("2GB", 2_000_000_000),
            ("1 GiB", 1 << 30),
        ];
        for (text, size) in cases {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "x", "0", "1x", "-1", "1e9", ".", "99999999TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}

use std::fs;
use std::path::PathBuf;

use flowkeep_ckpt::{
    Histogram, HistogramOptions, HistogramText, NumberStat, Sizes, StatOptions, StatReport,
    StatValues, StringStat, TensorStat, TextOptions, stat,
};
use serde_json::{Value, json};

use super::Context;
use super::flags::{Read, Select};
use super::written::{number, reasons};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// The size of each picture, in pixels.
const PICTURE: (u32, u32) = (720, 400);

/// Tell what is in tensors
///
/// Least, largest, mean and standard deviation are those of the finite values; zeros, NaN and
/// infinities are counted. Complex numbers count by their magnitudes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt stat train
  flowkeep ckpt stat train 'dense/*' --hist --bins 10
  flowkeep ckpt stat train --svg weights.svg
  flowkeep ckpt stat --format json train | jq -r '.tensors[] | select(.nan > 0) | .name'")]
pub(super) struct Args {
    /// The checkpoint
    path: PathBuf,
    /// Only tensors whose whole names match one of these; `*` stands for any characters
    #[arg(value_name = "GLOB")]
    patterns: Vec<String>,
    /// Draw a histogram of each tensor
    #[arg(long, visible_alias = "histogram")]
    hist: bool,
    /// Write the histograms as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The bins of histograms
    #[arg(long, value_name = "N", default_value_t = HistogramOptions::default().n_bins)]
    bins: usize,
    /// The first and the last edge of histograms [default: the least and the largest value]
    #[arg(long, value_name = "FIRST,LAST", value_parser = range, allow_hyphen_values = true)]
    range: Option<(f64, f64)>,
    /// The columns that histograms may take
    #[arg(long, value_name = "N", default_value_t = HistogramText::default().width)]
    width: usize,
    /// Print bytes as they are
    #[arg(long)]
    exact: bool,
    /// Draw without characters beyond ASCII
    #[arg(long)]
    ascii: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
}

fn range(text: &str) -> Result<(f64, f64), String> {
    let (first, last) = text.split_once(',').ok_or("two numbers with a comma between them")?;
    let number =
        |text: &str| text.trim().parse::<f64>().map_err(|_| format!("{text:?} is no number"));
    Ok((number(first)?, number(last)?))
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let checkpoint = self.read.open(&self.path)?;
        let wants_histogram = self.hist || self.svg.is_some();
        let mut options = StatOptions {
            selection: self.select.selection_with(&self.patterns)?,
            histogram: wants_histogram
                .then_some(HistogramOptions { n_bins: self.bins, range: self.range }),
            threads: self.read.threads(),
            progress: None,
        };
        let bar = cx.bar(options.len_bytes(&checkpoint));
        let advance = |n| bar.advance(n);
        options.progress = Some(&advance);
        let mut report = stat(&checkpoint, &options)?;
        drop(bar);

        if let Some(path) = &self.svg {
            let (width, height) = PICTURE;
            fs::write(path, report.histograms_svg(width, height))
                .map_err(|source| Error::Io { path: path.clone(), source })?;
        }
        if cx.format == Format::Json {
            json::document(&document(&report, checkpoint.found()), cx.out)?;
        } else {
            if !self.hist {
                forget_histograms(&mut report);
            }
            let sizes = if self.exact { Sizes::Exact } else { Sizes::Human };
            let text = TextOptions { sizes, ascii: self.ascii };
            let histogram = HistogramText { width: self.width, ascii: self.ascii };
            let mut page = Page(cx.out);
            page.line(checkpoint.found())?;
            page.text(report.text(&text, &histogram))?;
        }
        match report.damaged.first() {
            None => Ok(0),
            // All of them are in the report.
            Some((_, error)) => Err(Error::Reported {
                code: error.code(),
                message: format!("{} of the tensors cannot be read", report.damaged.len()),
            }),
        }
    }
}

/// Those that were made for the picture alone.
fn forget_histograms(report: &mut StatReport) {
    for tensor in &mut report.tensors {
        if let StatValues::Numbers(numbers) = &mut tensor.values {
            numbers.histogram = None;
        }
    }
}

fn document(report: &StatReport, found: &str) -> Value {
    let total = &report.total;
    json!({
        "checkpoint": found,
        "tensors": report.tensors.iter().map(tensor).collect::<Vec<_>>(),
        "damaged": reasons(&report.damaged),
        "totals": {
            "tensors": total.n_tensors,
            "parameters": total.n_params,
            "bytes": total.len_bytes,
            "zeros": total.n_zeros,
            "tensors_with_nan": total.n_nan_tensors,
            "tensors_with_inf": total.n_inf_tensors,
        },
    })
}

fn tensor(tensor: &TensorStat) -> Value {
    let info = &tensor.info;
    let mut value = json!({
        "name": info.name.to_string(),
        "dtype": info.dtype.map_or(info.stored_type.as_str(), |dtype| dtype.python_name()),
        "shape": info.shape.dims(),
    });
    let more = match &tensor.values {
        StatValues::Numbers(stat) => numbers(stat),
        StatValues::Strings(stat) => strings(stat),
    };
    if let (Some(value), Value::Object(mut more)) = (value.as_object_mut(), more) {
        value.append(&mut more);
    }
    value
}

fn numbers(stat: &NumberStat) -> Value {
    let mut value = json!({
        "elements": stat.n_elements(),
        "finite": stat.n_finite,
        "nan": stat.n_nan,
        "pos_inf": stat.n_pos_inf,
        "neg_inf": stat.n_neg_inf,
        "zeros": stat.n_zeros,
        "negative": stat.n_negative,
        "sparsity": stat.sparsity(),
        "min": stat.min.map(number),
        "max": stat.max.map(number),
        "mean": stat.mean,
        "std": stat.std,
        "l2_norm": stat.l2_norm,
    });
    if let Some(histogram) = &stat.histogram {
        let Histogram { edges, counts, n_below, n_above, .. } = histogram;
        value["histogram"] =
            json!({"edges": edges, "counts": counts, "below": n_below, "above": n_above});
    }
    value
}

fn strings(stat: &StringStat) -> Value {
    json!({
        "elements": stat.n,
        "empty": stat.n_empty,
        "bytes": stat.len_bytes,
        "min_len": stat.min_len,
        "max_len": stat.max_len,
    })
}

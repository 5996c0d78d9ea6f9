use std::path::PathBuf;

use flowkeep_ckpt::{
    DiffOptions, DiffOutcome, DiffReport, Extreme, NumberDiff, TensorDiff, TensorInfo, Tolerance,
    diff,
};
use serde_json::{Value, json};

use super::flags::{Read, Select};
use super::written::number;
use super::{Context, NO, TROUBLE};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// Compare two checkpoints
///
/// Names, types, shapes and every element are compared, whatever the formats. Elements a and b count as the
/// same if |a - b| <= atol + rtol |b|, as numpy.isclose has it. Exit status: 0 the same, 1 different,
/// 2 trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt diff train/model.ckpt-100 train/model.ckpt-200
  flowkeep ckpt diff train weights.safetensors --rtol 1e-5 --atol 1e-8
  flowkeep ckpt diff --any-type f32.ckpt bf16.ckpt --rtol 0.004 --all")]
pub(super) struct Args {
    /// The first checkpoint
    a: PathBuf,
    /// The second checkpoint
    b: PathBuf,
    /// The tolerance relative to the second
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    rtol: f64,
    /// The absolute tolerance
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    atol: f64,
    /// Let NaN differ from NaN
    #[arg(long)]
    nan_differs: bool,
    /// Compare numbers of different types, too
    #[arg(long)]
    any_type: bool,
    /// List what is the same, too
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    select: Select,
    #[command(flatten)]
    read: Read,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let (a, b) = (self.read.open(&self.a)?, self.read.open(&self.b)?);
        let mut options = DiffOptions {
            selection: self.select.selection()?,
            tolerance: Tolerance { atol: self.atol, rtol: self.rtol, equal_nan: !self.nan_differs },
            compare_dtypes: self.any_type,
            threads: self.read.threads(),
            progress: None,
        };
        let bar = cx.bar(options.len_bytes(&a, &b));
        let advance = |n| bar.advance(n);
        options.progress = Some(&advance);
        let report = diff(&a, &b, &options)?;
        drop(bar);

        if cx.format == Format::Json {
            json::document(&document(&report, [a.found(), b.found()], self.all), cx.out)?;
        } else {
            let mut page = Page(cx.out);
            page.line(format!("first:  {}", a.found()))?;
            page.line(format!("second: {}", b.found()))?;
            page.text(report.text(self.all))?;
        }
        Ok(match () {
            () if report.has_unreadable() => TROUBLE,
            () if report.is_same() => 0,
            () => NO,
        })
    }
}

fn document(report: &DiffReport, [a, b]: [&str; 2], all: bool) -> Value {
    let total = &report.total;
    let tensors = report.tensors.iter().filter(|tensor| all || !tensor.outcome.is_same());
    json!({
        "same": report.is_same(),
        "first": a,
        "second": b,
        "tensors": tensors.map(tensor).collect::<Vec<_>>(),
        "totals": {
            "tensors": total.n_tensors,
            "same": total.n_same,
            "different": total.n_different,
            "changed": total.n_changed,
            "only_in_first": total.n_only_in_a,
            "only_in_second": total.n_only_in_b,
            "unreadable": total.n_unreadable,
        },
    })
}

fn tensor(tensor: &TensorDiff) -> Value {
    let outcome = match &tensor.outcome {
        DiffOutcome::OnlyInA => "only_in_first",
        DiffOutcome::OnlyInB => "only_in_second",
        DiffOutcome::Changed { dtype: true, .. } => "other_type",
        DiffOutcome::Changed { .. } => "other_shape",
        DiffOutcome::Unreadable { .. } => "unreadable",
        outcome if outcome.is_same() => "same",
        _ => "different",
    };
    let mut value = json!({
        "name": tensor.name.to_string(),
        "outcome": outcome,
        "first": tensor.a.as_ref().map(type_and_shape),
        "second": tensor.b.as_ref().map(type_and_shape),
    });
    match &tensor.outcome {
        DiffOutcome::Numbers(diff) => value["difference"] = numbers(diff),
        DiffOutcome::Strings(diff) => {
            value["difference"] = json!({
                "elements": diff.n_elements,
                "different": diff.n_different,
                "first": diff.first,
            });
        }
        DiffOutcome::Unreadable { a, b } => {
            let reason = |error: &Option<_>| error.as_ref().map(flowkeep_ckpt::Error::to_string);
            value["reason"] = json!({"first": reason(a), "second": reason(b)});
        }
        _ => {}
    }
    value
}

fn type_and_shape(info: &TensorInfo) -> Value {
    json!({
        "dtype": info.dtype.map_or(info.stored_type.as_str(), |dtype| dtype.python_name()),
        "shape": info.shape.dims(),
    })
}

fn numbers(diff: &NumberDiff) -> Value {
    let place = |value: Value, index: &[usize]| json!({"value": value, "index": index});
    let max_abs = diff.max_abs.as_ref();
    let max_rel = diff.max_rel.as_ref();
    json!({
        "elements": diff.n_elements,
        "different": diff.n_different,
        "not_finite": diff.n_not_finite,
        "first": diff.first,
        "max_abs": max_abs.map(|Extreme { value, index }| place(number(*value), index)),
        "max_rel": max_rel.map(|Extreme { value, index }| place(json!(value), index)),
        "mean_abs": diff.mean_abs,
    })
}

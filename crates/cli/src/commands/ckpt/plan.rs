use std::path::PathBuf;

use flowkeep_ckpt::plan::{Names, Outcome, Plan, PlanItem, Target, TargetOptions, WantedBy};
use serde_json::{Value, json};

use super::flags::Read;
use super::{Context, NO};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// Tell what restoring a checkpoint would do
///
/// Compares the tensors of a checkpoint with what a graph's saver, a SavedModel, a graph's variables or
/// another checkpoint want: what is missing, of another type or shape, or not used, and which names were
/// probably meant. Nothing is written. Exit status: 0 everything is restored, 1 not everything, 2 trouble.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  flowkeep ckpt plan train/model.ckpt-100 train/model.ckpt-100.meta
  flowkeep ckpt plan --all pretrained.ckpt my_model/
  flowkeep ckpt plan weights.npz saved_model --tags serve")]
pub(super) struct Args {
    /// The checkpoint to restore
    from: PathBuf,
    /// A MetaGraph (.meta), a GraphDef (.pb, .pbtxt), a SavedModel or a checkpoint
    into: PathBuf,
    /// List what is restored and what is not used, too
    #[arg(long, short)]
    all: bool,
    /// The tags of the SavedModel's MetaGraph
    #[arg(long, value_name = "TAG,TAG,...", value_delimiter = ',')]
    tags: Option<Vec<String>>,
    #[command(flatten)]
    read: Read,
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let from = self.read.open(&self.from)?;
        let target = Target::open(&self.into, &TargetOptions { tags: self.tags.clone() })?;
        let plan = Plan::new(&from, &target)?;
        match cx.format {
            Format::Text => Page(cx.out).text(plan.text(self.all))?,
            Format::Json => json::document(&document(&plan, from.found(), &target), cx.out)?,
        }
        Ok(if plan.ok() { 0 } else { NO })
    }
}

fn document(plan: &Plan<'_>, from: &str, target: &Target) -> Value {
    let wanted_by = match &target.wanted_by {
        WantedBy::Checkpoint => json!({"kind": "checkpoint"}),
        WantedBy::Saver { restore_op, only_v1 } => {
            json!({"kind": "saver", "restore_op": restore_op, "only_v1": only_v1})
        }
        WantedBy::Collection => json!({"kind": "collection"}),
        WantedBy::Nodes => json!({"kind": "variables"}),
        other => json!({"kind": format!("{other:?}")}),
    };
    let names = match plan.names {
        Names::Same => "same",
        Names::FullNamesOfSource => "full_names_of_source",
        Names::FullNamesOfTarget => "full_names_of_target",
        Names::Paths => "paths",
    };
    let unused = plan.unused.iter().map(|info| {
        json!({
            "name": info.name.to_string(),
            "dtype": info.dtype.map(|dtype| dtype.python_name()),
            "shape": info.shape.dims(),
        })
    });
    json!({
        "ok": plan.ok(),
        "from": from,
        "into": target.found,
        "wanted_by": wanted_by,
        "names": names,
        "tensorflow_error": plan.error(),
        "tensors": plan.items.iter().map(item).collect::<Vec<_>>(),
        "unused": unused.collect::<Vec<_>>(),
    })
}

fn item(item: &PlanItem<'_>) -> Value {
    let wanted = item.wanted;
    let mut value = json!({
        "name": wanted.name.to_string(),
        "outcome": match &item.outcome {
            Outcome::Restored => "restored",
            Outcome::Reshaped => "reshaped",
            Outcome::Missing { .. } => "missing",
            Outcome::Damaged => "damaged",
            Outcome::Mismatch { .. } => "mismatch",
            _ => "other",
        },
        "dtype": wanted.dtype.map(|dtype| dtype.python_name()),
        "shape": wanted.shape.to_string(),
        "variables": wanted.variables,
    });
    if !wanted.slices.is_empty() {
        value["slices"] = wanted.slices.iter().map(ToString::to_string).collect();
    }
    if let Some(info) = item.source {
        value["source"] = json!({
            "name": info.name.to_string(),
            "dtype": info.dtype.map_or(info.stored_type.as_str(), |dtype| dtype.python_name()),
            "shape": info.shape.dims(),
        });
    }
    match &item.outcome {
        Outcome::Missing { nearest } => {
            let nearest = nearest.iter().map(|near| json!({"name": near.name, "fits": near.fits}));
            value["nearest"] = nearest.collect();
        }
        Outcome::Mismatch { dtype, shape, reshape_fits } => {
            value["mismatch"] =
                json!({"dtype": dtype, "shape": shape, "reshape_fits": reshape_fits});
        }
        _ => {}
    }
    if let Some(error) = item.error() {
        value["tensorflow_error"] = error.into();
    }
    value
}

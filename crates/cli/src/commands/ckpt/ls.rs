use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use flowkeep_ckpt::ls::{
    Leaf, ListOptions, Listing, ObjectListing, SortBy, Totals, Tree, TreeNode, TreeOptions,
};
use flowkeep_ckpt::{Checkpoint, Sizes, TensorInfo, TextOptions};
use serde_json::{Value, json};

use super::Context;
use super::flags::{Read, Select};
use crate::args::Format;
use crate::error::Error;
use crate::render::{Page, json};

/// List tensors
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "list",
    after_help = "\
Examples:
  flowkeep ckpt ls train                         # the latest checkpoint of a directory
  flowkeep ckpt ls train/model.ckpt-100 'encoder/*' --sort size
  flowkeep ckpt ls --tree --depth 2 saved_model
  flowkeep ckpt ls --format json model.safetensors | jq -r '.tensors[].name'"
)]
pub(super) struct Args {
    /// The checkpoint
    path: PathBuf,
    /// Only tensors whose whole names match one of these; `*` stands for any characters
    #[arg(value_name = "GLOB")]
    patterns: Vec<String>,
    /// The order of tensors; natural puts layer_2 before layer_10, size the largest first
    #[arg(long, value_name = "ORDER", default_value = "name", value_parser = orders())]
    sort: String,
    /// Turn the order around
    #[arg(long, short)]
    reverse: bool,
    /// Draw the scopes of names as a tree, with what each comes to
    #[arg(long)]
    tree: bool,
    /// The most levels of the tree
    #[arg(long, value_name = "N", requires = "tree", value_parser = clap::value_parser!(u8).range(1..))]
    depth: Option<u8>,
    /// List by objects instead of keys, for checkpoints of tf.train.Checkpoint
    #[arg(long)]
    objects: bool,
    /// List the slices of tensors that are stored in slices
    #[arg(long)]
    slices: bool,
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

fn orders() -> PossibleValuesParser {
    PossibleValuesParser::new(SortBy::ALL.iter().map(|(name, _)| *name))
}

impl Args {
    pub(super) fn run(&self, cx: &mut Context<'_>) -> Result<u8, Error> {
        let checkpoint = self.read.open(&self.path)?;
        let options = ListOptions {
            selection: self.select.selection_with(&self.patterns)?,
            sort: SortBy::from_name(&self.sort).unwrap_or_default(),
            reverse: self.reverse,
            slices: self.slices,
        };
        let listing = Listing::new(&checkpoint, &options);
        let objects = match self.objects {
            false => None,
            true => Some(ObjectListing::new(&checkpoint, &options)?.ok_or_else(|| {
                let found = checkpoint.found();
                Error::invalid(format!("{found} has no objects: its tensors are stored by name"))
            })?),
        };
        let tree = self.tree.then(|| {
            let max_depth = self.depth.map(usize::from);
            let options = TreeOptions { max_depth, ..TreeOptions::default() };
            match &objects {
                Some(objects) => Tree::of_objects(objects, &options),
                None => Tree::of_names(&listing, &options),
            }
        });
        if cx.format == Format::Json {
            let document = document(&checkpoint, &listing, objects.as_ref(), tree.as_ref());
            json::document(&document, cx.out)?;
            return Ok(0);
        }
        let sizes = if self.exact { Sizes::Exact } else { Sizes::Human };
        let options = TextOptions { sizes, ascii: self.ascii };
        let text = match (&tree, &objects) {
            (Some(tree), _) => tree.text(&options),
            (None, Some(objects)) => objects.text(&options),
            (None, None) => listing.text(&options),
        };
        let mut page = Page(cx.out);
        page.line(checkpoint.found())?;
        page.text(text)?;
        Ok(0)
    }
}

fn document(
    checkpoint: &Checkpoint,
    listing: &Listing<'_>,
    objects: Option<&ObjectListing<'_>>,
    tree: Option<&Tree<'_>>,
) -> Value {
    let mut document = json!({
        "checkpoint": checkpoint.found(),
        "path": checkpoint.path().display().to_string(),
        "format": checkpoint.format().name(),
    });
    let Some(fields) = document.as_object_mut() else { return document };
    let tensors: Vec<Value> = match (tree, objects) {
        (Some(tree), _) => {
            fields.insert("tree".into(), node(&tree.root));
            Vec::new()
        }
        (None, Some(objects)) => objects.rows.iter().map(object_row).collect(),
        (None, None) => listing.rows.iter().map(row).collect(),
    };
    if tree.is_none() {
        fields.insert("tensors".into(), tensors.into());
    }
    let damaged = listing.damaged.iter();
    let damaged: Vec<_> = damaged
        .map(|(name, error)| json!({"name": name.to_string(), "reason": error.to_string()}))
        .collect();
    fields.insert("damaged".into(), damaged.into());
    fields.insert("totals".into(), totals(&listing.totals));
    document
}

fn tensor(info: &TensorInfo) -> Value {
    json!({
        "name": info.name.to_string(),
        "dtype": info.dtype.map_or(info.stored_type.as_str(), |dtype| dtype.python_name()),
        "shape": info.shape.dims(),
        "elements": info.n_elements(),
        "bytes": info.len_bytes,
        "slices": info.n_slices,
        "files": info.files,
    })
}

fn row(row: &flowkeep_ckpt::ls::Row<'_>) -> Value {
    let mut value = tensor(row.info);
    if !row.slices.is_empty() {
        let parts = row.slices.iter();
        let parts = parts.map(
            |part| json!({"slice": part.slice.to_string(), "bytes": part.size, "file": part.file}),
        );
        value["parts"] = parts.collect();
    }
    value
}

fn object_row(row: &flowkeep_ckpt::ls::ObjectRow<'_>) -> Value {
    let mut value = tensor(row.info);
    if let Some(object) = &row.object {
        value["object"] = json!({
            "node": object.node_id,
            "path": object.path,
            "attribute": object.attribute,
            "full_name": object.full_name,
            "slot": object.slot.as_ref().map(|slot| {
                json!({"name": slot.slot_name, "variable": slot.variable, "optimizer": slot.optimizer})
            }),
        });
    }
    value
}

fn node(tree: &TreeNode<'_>) -> Value {
    let mut value = json!({
        "label": tree.label.to_string(),
        "tensors": tree.sum.n_tensors,
        "elements": tree.sum.n_elements,
        "bytes": tree.sum.len_bytes,
    });
    match tree.leaf {
        Some(Leaf::Tensor(info)) => value["tensor"] = tensor(info),
        Some(Leaf::Damaged(error)) => value["damaged"] = error.to_string().into(),
        None => {}
    }
    if !tree.children.is_empty() {
        value["children"] = tree.children.iter().map(node).collect();
    }
    value
}

fn totals(totals: &Totals) -> Value {
    let by_type: serde_json::Map<String, Value> = totals
        .by_type
        .iter()
        .map(|of_type| {
            let sum = of_type.sum;
            let value = json!({"tensors": sum.n_tensors, "elements": sum.n_elements, "bytes": sum.len_bytes});
            (of_type.type_name.clone(), value)
        })
        .collect();
    json!({
        "tensors": totals.all.n_tensors,
        "elements": totals.all.n_elements,
        "bytes": totals.all.len_bytes,
        "dtypes": by_type,
    })
}

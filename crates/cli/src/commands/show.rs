//! `flowkeep show`: what a SavedModel holds, without importing or running anything.

use std::collections::BTreeMap;
use std::io::Write;
use std::mem::ManuallyDrop;

use flowkeep_proto::pb;
use flowkeep_saved_model::SavedModelOutline;
use serde::Serialize;

use super::{no_tags, tags_of};
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::render::{Page, json};
use crate::view::{Functions, MetaGraph, Signature, ops_used, tags};

/// Shows the model as far as the flags name it.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    // The process ends; to free a large model piece by piece would take time for nothing.
    let model = ManuallyDrop::new(SavedModelOutline::open(&flags.dir)?);
    if flags.all {
        return show_all(&model, format, out);
    }
    match &flags.tag_set {
        None => show_tag_sets(&model, flags.list_ops, format, out),
        Some(tag_set) => show_meta_graph(&model, tag_set, flags, format, out),
    }
}

#[derive(Serialize)]
struct All {
    meta_graphs: Vec<MetaGraph>,
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<Functions>,
}

fn show_all(model: &SavedModelOutline, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let def = model.def();
    let mut meta_graphs: Vec<MetaGraph> = def.meta_graphs.iter().map(MetaGraph::new).collect();
    meta_graphs.sort_by(|a, b| a.tags.cmp(&b.tags));
    let all = All { meta_graphs, functions: Functions::new(def) };
    if format == Format::Json {
        return json::document(&all, out);
    }
    let mut page = Page(out);
    all.meta_graphs.iter().try_for_each(|meta_graph| page.meta_graph(meta_graph))?;
    all.functions.iter().try_for_each(|functions| page.functions(functions))
}

fn show_tag_sets(
    model: &SavedModelOutline,
    list_ops: bool,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut tag_sets: Vec<Vec<String>> = model.tag_sets().into_iter().map(<[_]>::to_vec).collect();
    tag_sets.sort();
    if format == Format::Json {
        return json::document(&BTreeMap::from([("tag_sets", tag_sets)]), out);
    }
    let mut page = Page(out);
    if list_ops {
        page.line("--list_ops must be paired with a tag-set or with --all.")?;
    }
    page.tag_sets(&tag_sets)
}

#[derive(Serialize)]
struct Selected<'a> {
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_keys: Option<Vec<&'a String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
}

fn show_meta_graph(
    model: &SavedModelOutline,
    tag_set: &str,
    flags: &Flags,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // The empty tag set may be asked for its signature keys, and for nothing else.
    let wanted = tags_of(tag_set);
    if wanted.is_empty() && (flags.list_ops || flags.signature_def.is_some()) {
        return Err(no_tags());
    }
    let idx = model.find(&wanted)?;
    let def = &model.def().meta_graphs[idx];
    let selected = Selected {
        tags: tags(def),
        ops: flags.list_ops.then(|| ops_used(def).into_iter().collect()),
        signature_keys: flags.signature_def.is_none().then(|| def.signature_def.keys().collect()),
        signature: flags.signature_def.as_deref().map(|key| signature(def, key)).transpose()?,
    };
    if format == Format::Json {
        return json::document(&selected, out);
    }
    let mut page = Page(out);
    if let Some(ops) = &selected.ops {
        page.ops(selected.tags, ops.iter())?;
    }
    if let Some(keys) = selected.signature_keys {
        page.signature_keys(keys.into_iter())?;
    }
    selected.signature.iter().try_for_each(|signature| page.signature(signature, ""))
}

fn signature(def: &pb::MetaGraphDef, key: &str) -> Result<Signature, Error> {
    let found = def.signature_def.get(key).map(Signature::new);
    found.ok_or_else(|| {
        flowkeep_saved_model::Error::no_such_signature(key, def.signature_def.keys()).into()
    })
}

//! `flowkeep explain`: what a SavedModel is, on one page: what it takes and gives, how large it is, who wrote it,
//! whether it runs here, and how to call it.

mod features;
mod how;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use flowkeep_ckpt::{Sizes, counted};
use flowkeep_graph::view::{Summary, SummaryOptions};
use flowkeep_runtime::SessionOptions;
use flowkeep_runtime::kernel::FileUse;
use flowkeep_saved_model::constants::INIT_OP_SIGNATURE_KEY;
use flowkeep_saved_model::scan::find_ops;
use flowkeep_saved_model::{LoadOptions, SavedModel, SavedModelBundle};
use serde::Serialize;

use super::{choose_signature, choose_tags, never_written};
use crate::args::{Flags, Format};
use crate::error::Error;
use crate::render::{Page, json};
use crate::view;
use how::{Features, How};

#[derive(Serialize)]
struct Explained {
    dir: String,
    tags: Vec<String>,
    /// The tags of the other MetaGraphs.
    other_tags: Vec<Vec<String>>,
    /// The release of TensorFlow that wrote it.
    tensorflow_version: String,
    producer: i32,
    min_consumer: i32,
    /// Whether it has the objects of TensorFlow 2.
    has_objects: bool,
    signatures: BTreeMap<String, Signature>,
    default_signature: String,
    nodes: usize,
    functions: usize,
    variables: usize,
    parameters: u64,
    bytes: Bytes,
    assets: Vec<String>,
    /// What has no kernel here.
    missing: Vec<String>,
    /// Ops that touch files, beyond those that restore and save, and the nodes that have them.
    file_ops: Vec<String>,
    /// What there is to say of variables without a checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    never_written: Option<String>,
    how: How,
}

#[derive(Serialize)]
struct Signature {
    #[serde(flatten)]
    signature: view::Signature,
    runs: bool,
}

/// What the parts of the directory take.
#[derive(Default, Serialize)]
struct Bytes {
    graph: u64,
    variables: u64,
    assets: u64,
}

/// Explains a model; nothing of it is run.
///
/// Errors: those of opening and importing it.
pub(crate) fn run(flags: &Flags, format: Format, out: &mut dyn Write) -> Result<(), Error> {
    let explained = explain(flags)?;
    match format {
        Format::Json => json::document(&explained, out),
        Format::Text => text(&explained, &mut Page(out)),
    }
}

fn explain(flags: &Flags) -> Result<Explained, Error> {
    let model = SavedModel::open(&flags.dir)?;
    let tags = choose_tags(&model, flags.tag_set.as_deref())?;
    let wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
    let chosen = model.find(&wanted)?;
    let others = model.tag_sets().into_iter().enumerate().filter(|(idx, _)| *idx != chosen);
    let other_tags = others.map(|(_, tags)| tags.to_vec()).collect();
    let def = &model.def().meta_graphs[chosen];
    let info = def.meta_info_def.clone().unwrap_or_default();
    let versions =
        def.graph_def.as_ref().and_then(|graph| graph.versions.clone()).unwrap_or_default();
    let has_objects = def.object_graph_def.is_some();
    let session = SessionOptions { threads: 1, ..Default::default() };
    let file_ops = file_ops(def, &session);
    let views: BTreeMap<String, view::Signature> = def
        .signature_def
        .iter()
        .filter(|(key, _)| *key != INIT_OP_SIGNATURE_KEY)
        .map(|(key, def)| (key.clone(), view::Signature::new(def)))
        .collect();
    let bytes = Bytes {
        graph: ["saved_model.pb", "saved_model.cpb", "saved_model.pbtxt"]
            .iter()
            .find_map(|name| Some(fs::metadata(flags.dir.join(name)).ok()?.len()))
            .unwrap_or_default(),
        variables: size_of(&flags.dir.join("variables")),
        assets: size_of(&flags.dir.join("assets")),
    };
    let default_signature =
        choose_signature(flags.signature_def.as_deref(), def.signature_def.keys());
    // Without a default, it is shown how to call the first.
    let called = match views.contains_key(&default_signature) {
        true => Some(&default_signature),
        false => views.keys().next(),
    };
    let called = called.and_then(|key| Some((key.clone(), def.signature_def.get(key)?.clone())));

    let options = LoadOptions { session, ..Default::default() };
    let bundle = SavedModelBundle::prepare(model, &wanted, options)?;
    let meta_graph = bundle.meta_graph();
    let assets = meta_graph.asset_files.iter().map(|asset| asset.filename.clone());
    let assets: BTreeSet<String> = assets.collect();
    let how = called.map_or_else(How::default, |(key, def)| {
        let inputs = meta_graph.signatures.get(&key).into_iter().flat_map(|found| &found.inputs);
        let features: Features = inputs
            .filter_map(|(key, info)| {
                Some((key.clone(), features::features(&meta_graph.graph, info.name()?)?))
            })
            .collect();
        How::new(&flags.dir, &tags, &key, Some(&def), &features)
    });
    let summary = Summary::new(&bundle.meta_graph().graph, &SummaryOptions::default());
    let mut missing = BTreeSet::new();
    let mut signatures = BTreeMap::new();
    for (key, signature) in views {
        let lacks = bundle
            .missing_kernels(&key)
            .map(|lacks| lacks.iter().map(|lack| lack.to_string()).collect::<Vec<_>>());
        let lacks = lacks.unwrap_or_else(|error| vec![error.to_string()]);
        signatures.insert(key, Signature { signature, runs: lacks.is_empty() });
        missing.extend(lacks);
    }
    Ok(Explained {
        dir: flags.dir.display().to_string(),
        tags,
        other_tags,
        tensorflow_version: info.tensorflow_version,
        producer: versions.producer,
        min_consumer: versions.min_consumer,
        has_objects,
        signatures,
        default_signature,
        nodes: summary.n_nodes,
        functions: summary.functions.len(),
        variables: summary.variables.len(),
        parameters: summary.parameters.n_elements,
        bytes,
        assets: assets.into_iter().collect(),
        missing: missing.into_iter().collect(),
        file_ops,
        never_written: never_written(meta_graph, &flags.dir),
        how,
    })
}

/// Ops that touch files and that a signature or the init op runs, with the first node that has each.
fn file_ops(def: &flowkeep_proto::pb::MetaGraphDef, session: &SessionOptions) -> Vec<String> {
    let mut registry = session.registry.clone();
    flowkeep_saver::register(&mut registry);
    let rows = registry.rows().into_iter().filter(|row| row.file_use().is_some());
    let ops: BTreeSet<String> = rows.map(|row| row.name().to_owned()).collect();
    let mut seen = BTreeMap::new();
    for place in find_ops(def, &ops) {
        let is_run = place.run_by.iter().any(|root| root != "restore" && root != "save");
        if is_run {
            seen.entry(place.op).or_insert(place.node);
        }
    }
    let verb =
        |op: &str| registry.get(op).and_then(|row| row.file_use()).map_or("uses", FileUse::verb);
    seen.iter().map(|(op, node)| format!("{op} {} files (node {node})", verb(op))).collect()
}

/// The bytes of the files below a folder; 0 if there is none.
fn size_of(folder: &Path) -> u64 {
    let mut total = 0u64;
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                Ok(metadata) => total = total.saturating_add(metadata.len()),
                Err(_) => {}
            }
        }
    }
    total
}

fn text(explained: &Explained, page: &mut Page<'_>) -> Result<(), Error> {
    let Explained { bytes, .. } = explained;
    let size = |bytes: u64| Sizes::Human.text(bytes);
    page.line(&explained.dir)?;
    let generation =
        if explained.has_objects { "TensorFlow 2, with objects" } else { "TensorFlow 1" };
    let by = match explained.tensorflow_version.as_str() {
        "" => String::new(),
        version => format!(", written by TensorFlow {version}"),
    };
    page.line(format!("  A SavedModel in the form of {generation}{by}."))?;
    page.line(format!(
        "  Tags {}; GraphDef version {}, for readers from {} on.",
        explained.tags.join(", "),
        explained.producer,
        explained.min_consumer
    ))?;
    for tags in &explained.other_tags {
        page.line(format!("  There is one more MetaGraph: {}.", tags.join(", ")))?;
    }
    page.line("\nSignatures")?;
    for (key, Signature { signature, runs }) in &explained.signatures {
        let is_default = if *key == explained.default_signature { ", the default" } else { "" };
        let cannot = if *runs { "" } else { ", cannot run here" };
        page.line(format!("  {key} ({}{is_default}{cannot})", signature.method_name))?;
        for (mark, infos) in [("<-", &signature.inputs), ("->", &signature.outputs)] {
            for (key, info) in infos {
                page.line(format!("    {mark} {key}: {}", how::type_of(info)))?;
            }
        }
    }
    page.line("\nSize")?;
    page.line(format!(
        "  {}, {}; graph {}",
        counted(explained.nodes, "node"),
        counted(explained.functions, "function"),
        size(bytes.graph)
    ))?;
    page.line(format!(
        "  {}, {} elements; {}",
        counted(explained.variables, "variable"),
        explained.parameters,
        size(bytes.variables)
    ))?;
    if !explained.assets.is_empty() {
        page.line(format!("  assets {}; {}", explained.assets.join(", "), size(bytes.assets)))?;
    }
    page.line("\nHere")?;
    match explained.missing.is_empty() {
        true => page.line("  Every signature can run.")?,
        false => page.line(format!("  Lacks {}.", explained.missing.join(", ")))?,
    }
    if let Some(what) = &explained.never_written {
        page.line(format!("  But {what}."))?;
    }
    match explained.file_ops.is_empty() {
        true => page.line("  Touches no files but its own variables.")?,
        false => page.line(format!("  Touches files: {}.", explained.file_ops.join(", ")))?,
    }
    explained.how.text(page)
}

//! A SavedModel that is simpler than another: one MetaGraph, without functions and objects.

use std::collections::BTreeSet;

use flowkeep_ckpt::counted;
use flowkeep_graph::MetaGraph;
use flowkeep_graph::file::{FileError, GraphFile, GraphMessage, SaveOptions};
use flowkeep_graph::rewrite::{Endpoints, rewrite};
use flowkeep_graph::transform::{
    InlineOptions, extract_sub_graph, inline_functions, prune_library,
};
use flowkeep_proto::pb;
use flowkeep_saved_model::constants::INIT_OP_SIGNATURE_KEY;
use serde_json::json;

use super::{Done, Invocation};
use crate::commands::graph::edit::transformed;
use crate::commands::graph::freeze::{Choice, freeze_model};
use crate::error::Error;
use crate::render;

/// Reads one MetaGraph, flattens it and writes it, with the variables unless they are frozen.
pub(super) fn convert(invocation: &Invocation, file: GraphFile) -> Result<Done, Error> {
    if !invocation.inputs.is_empty() || !invocation.outputs.is_empty() {
        return Err(Error::invalid(
            "a SavedModel has its signatures; 'flowkeep sig add' makes more of them",
        ));
    }
    let (def, _) = file.clone().into_meta_graph_def(invocation.tags.as_deref())?;
    let mut lines = Vec::new();
    let mut data = json!({});
    let mut without_variables = false;
    let mut done = None;
    let (mut def, dropped) = rewrite(def, |mut meta_graph| -> Result<_, Error> {
        choose(&mut meta_graph, invocation.signature.as_deref())?;
        if invocation.freeze {
            let endpoints = Endpoints::of(&meta_graph);
            let outputs: BTreeSet<String> = endpoints
                .outputs
                .into_iter()
                .chain(endpoints.inputs)
                .chain(endpoints.init)
                .collect();
            let choice = Choice { outputs: outputs.into_iter().collect(), only: &[], keep: &[] };
            let checkpoint = invocation.checkpoint.as_deref();
            let frozen =
                freeze_model(&file, checkpoint, invocation.tags.as_deref(), meta_graph, choice)?;
            without_variables = frozen.report.kept.is_empty();
            (lines, data) = (frozen.lines(), frozen.data());
            meta_graph = frozen.meta_graph;
            if without_variables {
                meta_graph.saver_def = None;
            }
        }
        meta_graph = inlined(meta_graph, invocation.freeze, &mut lines)?;
        meta_graph.object_graph_def = None;
        if let Some(tags) = &invocation.new_tags {
            meta_graph.tags.clone_from(tags);
        }
        done = Some((meta_graph.tags.clone(), meta_graph.signatures.clone()));
        Ok(meta_graph.into())
    })
    .map_err(|error| match error {
        Error::Graph(source) => FileError::Graph { path: file.path.clone(), source }.into(),
        error => error,
    })?;
    lines.extend(render::graph::dropped(&dropped));
    // What loaders of objects look at.
    def.object_graph_def = None;
    let n_nodes = def.graph_def.as_ref().map_or(0, |graph| graph.node.len());
    let model = pb::SavedModel { saved_model_schema_version: 1, meta_graphs: vec![def] };
    let file = GraphFile { message: GraphMessage::SavedModel(Box::new(model)), ..file };
    let options = SaveOptions { form: None, overwrite: invocation.overwrite, without_variables };
    file.save(&invocation.dst, &options)?;
    let (tags, mut signatures) = done.unwrap_or_default();
    signatures.remove(INIT_OP_SIGNATURE_KEY);
    Ok(Done { tags, signatures, is_guessed: false, n_nodes, lines, data })
}

/// Leaves one signature, and what initializes the model; or all, if none is named.
fn choose(meta_graph: &mut MetaGraph, key: Option<&str>) -> Result<(), Error> {
    let Some(key) = key else { return Ok(()) };
    if !meta_graph.signatures.contains_key(key) {
        let keys = meta_graph.signatures.keys();
        return Err(flowkeep_saved_model::Error::no_such_signature(key, keys).into());
    }
    meta_graph.signatures.retain(|other, _| other == key || other == INIT_OP_SIGNATURE_KEY);
    Ok(())
}

/// Puts functions in the place of their calls and leaves what is named; says which calls stay.
fn inlined(
    meta_graph: MetaGraph,
    is_frozen: bool,
    lines: &mut Vec<String>,
) -> Result<MetaGraph, Error> {
    let endpoints = Endpoints::of(&meta_graph);
    let mut options = InlineOptions::default();
    options.feeds = endpoints.inputs.clone();
    options.keep = endpoints.into_all();
    options.aggressive = is_frozen;
    let keep: Vec<String> = options.keep.iter().cloned().collect();
    let (meta_graph, report) = transformed(meta_graph, |graph| inline_functions(graph, &options))?;
    lines.push(format!("{} inlined", counted(report.inlined.len(), "call")));
    lines.extend(
        report
            .kept
            .iter()
            .map(|call| format!("{} ({}) stays: {}", call.node, call.function, call.why)),
    );
    let (meta_graph, _) = transformed(meta_graph, |graph| extract_sub_graph(graph, &keep))?;
    let (meta_graph, _) = transformed(meta_graph, prune_library)?;
    Ok(meta_graph)
}

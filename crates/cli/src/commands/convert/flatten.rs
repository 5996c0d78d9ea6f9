//! A SavedModel that is simpler than another: one MetaGraph, or all, without functions and objects.

use std::collections::{BTreeSet, HashSet};

use flowkeep_ckpt::counted;
use flowkeep_graph::file::{FileError, GraphFile, GraphMessage, SaveOptions};
use flowkeep_graph::rewrite::{Endpoints, rewrite};
use flowkeep_graph::transform::{
    InlineOptions, extract_sub_graph, inline_functions, prune_library,
};
use flowkeep_graph::{Graph, MetaGraph, NodeId, TensorInfo};
use flowkeep_proto::pb;
use flowkeep_saved_model::constants::{INIT_OP_SIGNATURE_KEY, MAIN_OP_KEY};
use flowkeep_saved_model::surgery::restore_captured_variables;
use flowkeep_tensor::Code;
use serde_json::{Value, json};

use super::{Done, Invocation, Made};
use crate::commands::graph::edit::transformed;
use crate::commands::graph::freeze::{Choice, freeze_model};
use crate::error::Error;
use crate::render;

/// Flattens one MetaGraph, or all, and writes them, with the variables unless all are frozen.
pub(super) fn convert(invocation: &Invocation, file: GraphFile) -> Result<Done, Error> {
    if !invocation.inputs.is_empty() || !invocation.outputs.is_empty() {
        return Err(Error::invalid(
            "a SavedModel has its signatures; 'flowkeep sig add' makes more of them",
        ));
    }
    let chosen = match (invocation.all, &file.message) {
        (true, GraphMessage::SavedModel(model)) => model.meta_graphs.clone(),
        _ => vec![file.clone().into_meta_graph_def(invocation.tags.as_deref())?.0],
    };
    if let Some(key) = &invocation.signature {
        let keys = chosen.iter().flat_map(|def| def.signature_def.keys());
        if !keys.clone().any(|other| other == key) {
            return Err(flowkeep_saved_model::Error::no_such_signature(key, keys).into());
        }
    }
    let n_chosen = chosen.len();
    let mut done = Done::default();
    let mut meta_graphs = Vec::with_capacity(n_chosen);
    let mut without_variables = true;
    for def in chosen {
        let tags = def.meta_info_def.as_ref().map(|info| info.tags.clone()).unwrap_or_default();
        let flat = flattened(invocation, &file, def)?;
        without_variables &= flat.without_variables;
        if n_chosen > 1 {
            done.lines.push(format!("MetaGraph {}:", tags.join(",")));
        }
        done.lines.extend(flat.lines);
        done.data.push(flat.data);
        done.made.push(flat.made);
        meta_graphs.push(flat.def);
    }
    let model = pb::SavedModel { saved_model_schema_version: 1, meta_graphs };
    let file = GraphFile { message: GraphMessage::SavedModel(Box::new(model)), ..file };
    let options = SaveOptions { form: None, overwrite: invocation.overwrite, without_variables };
    file.save(&invocation.dst, &options)?;
    Ok(done)
}

/// A MetaGraph that was flattened.
struct Flat {
    def: pb::MetaGraphDef,
    made: Made,
    /// Whether it needs no checkpoint.
    without_variables: bool,
    lines: Vec<String>,
    data: Value,
}

fn flattened(
    invocation: &Invocation,
    file: &GraphFile,
    mut def: pb::MetaGraphDef,
) -> Result<Flat, Error> {
    let mut lines = Vec::new();
    if let Some(prefix) = file.variables().filter(|_| !invocation.freeze) {
        let n_captured = restore_captured_variables(&mut def, &prefix)?;
        if n_captured > 0 {
            lines.push(format!("{} restored as objects are", counted(n_captured, "variable")));
        }
    }
    let tags = def.meta_info_def.as_ref().map(|info| info.tags.clone()).unwrap_or_default();
    let mut data = json!({});
    let mut without_variables = false;
    let mut made = None;
    let (mut def, dropped) = rewrite(def, |mut meta_graph| -> Result<_, Error> {
        if let Some(key) = &invocation.signature {
            // What initializes the model stays.
            meta_graph.signatures.retain(|other, _| other == key || other == INIT_OP_SIGNATURE_KEY);
        }
        if invocation.freeze {
            let endpoints = Endpoints::of(&meta_graph);
            let outputs: BTreeSet<String> = endpoints
                .outputs
                .into_iter()
                .chain(endpoints.inputs)
                .chain(endpoints.init)
                .collect();
            let choice = Choice {
                outputs: outputs.into_iter().collect(),
                only: &[],
                keep: &[],
                initializers: &[],
            };
            let checkpoint = invocation.checkpoint.as_deref();
            let frozen = freeze_model(file, checkpoint, Some(&tags), meta_graph, choice)?;
            without_variables = frozen.is_without_checkpoint();
            (lines, data) = (frozen.lines(), frozen.data());
            meta_graph = frozen.meta_graph;
            if without_variables {
                meta_graph.saver_def = None;
            }
        }
        name_main_op(&mut meta_graph);
        meta_graph = inlined(meta_graph, &mut lines)?;
        if !invocation.freeze {
            check_restored(&meta_graph)?;
        }
        meta_graph.object_graph_def = None;
        if let Some(tags) = &invocation.new_tags {
            meta_graph.tags.clone_from(tags);
        }
        made = Some((meta_graph.tags.clone(), meta_graph.signatures.clone()));
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
    let (tags, signatures) = made.unwrap_or_default();
    let made = Made { tags, signatures, n_nodes };
    Ok(Flat { def, made, without_variables, lines, data })
}

/// Names what initializes the model in a collection, and not in a signature: to TensorFlow 2, a signature of a model
/// in the form of TensorFlow 1 is one to call.
fn name_main_op(meta_graph: &mut MetaGraph) {
    let Some(signature) = meta_graph.signatures.remove(INIT_OP_SIGNATURE_KEY) else { return };
    let op = signature.outputs.get(INIT_OP_SIGNATURE_KEY).and_then(TensorInfo::name);
    if let Some(op) = op.filter(|_| meta_graph.node_list(MAIN_OP_KEY).is_empty()) {
        let list = pb::collection_def::NodeList { value: vec![op.to_owned()] };
        let kind = Some(pb::collection_def::Kind::NodeList(list));
        meta_graph.collections.insert(MAIN_OP_KEY.to_owned(), pb::CollectionDef { kind });
    }
}

/// Checks that what restores the model, or what initializes it, sets all variables that signatures need.
///
/// Errors: `FAILED_PRECONDITION`, naming variables that only loaders of objects restore.
fn check_restored(meta_graph: &MetaGraph) -> Result<(), Error> {
    let endpoints = Endpoints::of(meta_graph);
    let graph = &meta_graph.graph;
    let needed = needed(graph, &endpoints.outputs);
    let run: BTreeSet<String> = endpoints.saver.into_iter().chain(endpoints.init).collect();
    let mut set = HashSet::new();
    for id in self::needed(graph, &run) {
        let node = graph.node(id);
        if node.op().starts_with("Assign") || node.op().ends_with("Call") {
            set.extend(node.inputs().iter().map(|input| origin(graph, input.node)));
        }
    }
    let is_unset = |id: &NodeId| graph.node(*id).op() == "VarHandleOp" && !set.contains(id);
    let mut unset: Vec<&str> =
        needed.into_iter().filter(is_unset).map(|id| graph.node(id).name()).collect();
    unset.sort_unstable();
    match unset.first() {
        None => Ok(()),
        Some(first) => Err(Error::Failed {
            code: Code::FailedPrecondition,
            message: format!(
                "the model's restore op does not restore {} ({first}, ...), only its objects do, which the result has \
                 not: use --freeze",
                counted(unset.len(), "variable")
            ),
        }),
    }
}

/// The node that a handle comes from, over the Identity nodes that arguments of functions became.
fn origin(graph: &Graph, mut id: NodeId) -> NodeId {
    // No value passes through more nodes than there are.
    for _ in 0..graph.nodes().len() {
        match graph.node(id).inputs() {
            [input] if graph.node(id).op() == "Identity" => id = input.node,
            _ => break,
        }
    }
    id
}

/// The nodes that others need, over inputs of all kinds.
fn needed(graph: &Graph, names: &BTreeSet<String>) -> HashSet<NodeId> {
    let mut pending: Vec<NodeId> =
        names.iter().filter_map(|name| graph.node_by_name(name)).collect();
    let mut seen = HashSet::new();
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            let node = graph.node(id);
            pending.extend(node.inputs().iter().map(|input| input.node));
            pending.extend(node.control_inputs().iter().copied());
        }
    }
    seen
}

/// Puts functions in the place of their calls and leaves what is named; says which calls stay.
///
/// The effects of a call are those that it waits for, which TensorFlow gives all functions as control results: who
/// is fetched in the place of the call waits for them.
fn inlined(meta_graph: MetaGraph, lines: &mut Vec<String>) -> Result<MetaGraph, Error> {
    let endpoints = Endpoints::of(&meta_graph);
    let mut options = InlineOptions::default();
    options.feeds = endpoints.inputs.clone();
    options.keep = endpoints.into_all();
    options.aggressive = true;
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

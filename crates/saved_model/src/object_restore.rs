//! Restoring through the object graph, where the restore op misses what the signatures read.
//!
//! A TF2 model names each variable twice: as a node of the graph, and as an object that owns a key
//! of the checkpoint. Its restore op normally assigns the nodes that signatures capture. Models of
//! Keras 3 written by `tf.saved_model.save` hold a second set of nodes instead, and their restore op
//! fills only that one. The captures of the signature functions then tell which object each node is,
//! and the object graph within the checkpoint tells its key.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use flowkeep_bundle::object_graph::{OBJECT_GRAPH_KEY, VARIABLE_VALUE};
use flowkeep_bundle::{BundleReader, ObjectGraph};
use flowkeep_graph::{Graph, MetaGraph, NodeId};
use flowkeep_proto::pb;
use flowkeep_proto::pb::saved_object::Kind;
use flowkeep_runtime::Session;
use flowkeep_runtime::kernel::Status;
use flowkeep_runtime::resource::Variable;
use flowkeep_tensor::Code;

use crate::Error;
use crate::checkpoint::Checkpoint;

/// The variables that signatures capture, by node, with the objects that they are; none if the
/// restore op reaches them all.
pub(crate) fn missed_by_restore_op(
    meta_graph: &MetaGraph,
    restore_op: &str,
) -> BTreeMap<NodeId, usize> {
    let Some(objects) = &meta_graph.object_graph_def else { return BTreeMap::new() };
    let captured = captured_variables(&meta_graph.graph, objects);
    let reached: HashSet<NodeId> = match meta_graph.graph.node_by_name(restore_op) {
        Some(id) => meta_graph.graph.node(id).inputs().iter().map(|input| input.node).collect(),
        None => HashSet::new(),
    };
    if captured.keys().all(|node| reached.contains(node)) { BTreeMap::new() } else { captured }
}

/// Whether objects other than variables keep state in the checkpoint, such as mutable tables.
pub(crate) fn has_other_state(meta_graph: &MetaGraph) -> bool {
    let objects = meta_graph.object_graph_def.iter().flat_map(|objects| &objects.nodes);
    objects.into_iter().any(|object| !object.saveable_objects.is_empty())
}

/// Assigns variables from the checkpoint by the keys of their objects.
///
/// Errors: `DATA_LOSS` for a corrupt checkpoint, `NOT_FOUND` naming the variable that has no key.
pub(crate) fn restore(
    session: &Session,
    meta_graph: &MetaGraph,
    variables: &BTreeMap<NodeId, usize>,
    prefix: &Path,
    checkpoint: Checkpoint,
) -> Result<(), Error> {
    let Some(objects) = &meta_graph.object_graph_def else { return Ok(()) };
    let reader = checkpoint.open(prefix).map_err(bundle_error)?;
    let graph = reader.object_graph().map_err(bundle_error)?.ok_or_else(|| {
        bundle_error(flowkeep_bundle::Error::KeyNotFound { key: OBJECT_GRAPH_KEY.into() })
    })?;
    let keys = checkpoint_keys(objects, &graph);
    for (node, object) in variables {
        let node = meta_graph.graph.node(*node);
        let key = keys.get(object).ok_or_else(|| Error::Model {
            code: Code::NotFound,
            message: format!("the checkpoint has no key for variable {}", node.name()),
        })?;
        let value = checkpoint.tensor(&reader, key).map_err(bundle_error)?;
        variable(session, node).and_then(|variable| variable.assign(value)).map_err(|status| {
            Error::Model {
                code: status.code(),
                message: format!("cannot restore variable {}: {status}", node.name()),
            }
        })?;
    }
    Ok(())
}

/// The keys in a checkpoint of variables, by node.
///
/// Errors: `DATA_LOSS` for a corrupt checkpoint, `NOT_FOUND` naming the variable that has no key.
pub(crate) fn keys(
    meta_graph: &MetaGraph,
    variables: &BTreeMap<NodeId, usize>,
    prefix: &Path,
) -> Result<Vec<(NodeId, String)>, Error> {
    let Some(objects) = &meta_graph.object_graph_def else { return Ok(Vec::new()) };
    let reader = BundleReader::open(prefix).map_err(bundle_error)?;
    let graph = reader.object_graph().map_err(bundle_error)?.ok_or_else(|| {
        bundle_error(flowkeep_bundle::Error::KeyNotFound { key: OBJECT_GRAPH_KEY.into() })
    })?;
    let keys = checkpoint_keys(objects, &graph);
    let named = variables.iter().map(|(node, object)| match keys.get(object) {
        Some(key) => Ok((*node, (*key).to_owned())),
        None => Err(Error::Model {
            code: Code::NotFound,
            message: format!(
                "the checkpoint has no key for variable {}",
                meta_graph.graph.node(*node).name()
            ),
        }),
    });
    named.collect()
}

/// The variable of a `VarHandleOp` node.
fn variable(session: &Session, node: &flowkeep_graph::Node) -> Result<Arc<Variable>, Status> {
    let attr =
        |name| node.attrs().str(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let (container, name) = (attr("container")?, attr("shared_name")?);
    let (dtype, shape) = (node.attrs().dtype("dtype")?, node.attrs().shape("shape")?);
    let make = || Arc::new(Variable::new(name.clone(), dtype, shape)) as Arc<_>;
    session.resources().lookup_or_create(&container, Variable::KIND, &name, make).get()
}

/// For every call of a concrete function, its captures are its last arguments.
fn captured_variables(graph: &Graph, objects: &pb::SavedObjectGraph) -> BTreeMap<NodeId, usize> {
    let mut captured = BTreeMap::new();
    for (_, node) in graph.iter() {
        let Ok(function) = node.attrs().func("f") else { continue };
        let Some(concrete) = objects.concrete_functions.get(&*function.name) else { continue };
        let n_args = node.inputs().len().saturating_sub(concrete.bound_inputs.len());
        for (input, object) in node.inputs().iter().skip(n_args).zip(&concrete.bound_inputs) {
            let Ok(object) = usize::try_from(*object) else { continue };
            let kind = objects.nodes.get(object).and_then(|object| object.kind.as_ref());
            if matches!(kind, Some(Kind::Variable(_)))
                && graph.node(input.node).op() == "VarHandleOp"
            {
                captured.insert(input.node, object);
            }
        }
    }
    captured
}

/// The checkpoint keys of variables' objects: both graphs are walked from their roots by the names
/// of children.
fn checkpoint_keys<'a>(
    objects: &pb::SavedObjectGraph,
    graph: &'a ObjectGraph,
) -> HashMap<usize, &'a str> {
    let mut keys = HashMap::new();
    let mut seen = HashSet::from([0]);
    let mut queue = VecDeque::from([(0, 0)]);
    while let Some((saved_id, tracked_id)) = queue.pop_front() {
        let (Some(saved), Some(tracked)) = (objects.nodes.get(saved_id), graph.node(tracked_id))
        else {
            continue;
        };
        if let Some(value) = tracked.attribute(VARIABLE_VALUE) {
            keys.insert(saved_id, value.checkpoint_key.as_str());
        }
        let children: HashMap<&str, usize> = tracked
            .children
            .iter()
            .map(|child| (child.local_name.as_str(), child.node_id))
            .collect();
        for child in &saved.children {
            let tracked_id = children.get(child.local_name.as_str());
            if let (Ok(saved_id), Some(tracked_id)) = (usize::try_from(child.node_id), tracked_id)
                && seen.insert(saved_id)
            {
                queue.push_back((saved_id, *tracked_id));
            }
        }
    }
    keys
}

fn bundle_error(error: flowkeep_bundle::Error) -> Error {
    Error::Model { code: error.code(), message: error.to_string() }
}

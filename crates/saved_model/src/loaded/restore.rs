//! The state of objects, from the checkpoint: both object graphs are walked from their roots by the
//! names of children.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use flowkeep_bundle::object_graph::{OBJECT_GRAPH_KEY, ObjectNode, VARIABLE_VALUE};
use flowkeep_bundle::{BundleReader, ObjectGraph};
use flowkeep_runtime::Value;
use flowkeep_tensor::{Code, Tensor};

use super::LoadedObjects;
use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::constants::{VARIABLES_DIRECTORY, VARIABLES_FILENAME};
use crate::loader::has_checkpoint;
use crate::objects::{ObjectKind, SaveableFunctions, SavedObject, SavedObjects};
use crate::structured::StructuredValue;

/// The name of the only functions of objects that save themselves as a dict of tensors.
const SERIALIZE_TO_TENSORS: &str = ".TENSORS";
/// How many objects an error names.
const MAX_NAMED: usize = 10;

/// Assigns variables, and runs the functions that restore other state.
pub(super) fn restore(
    loaded: &LoadedObjects,
    dir: &Path,
    checkpoint: Checkpoint,
    allow_partial: bool,
) -> Result<(), Error> {
    let prefix = dir.join(VARIABLES_DIRECTORY).join(VARIABLES_FILENAME);
    if !has_checkpoint(&prefix) {
        return match loaded.variables.len() {
            0 => Ok(()),
            _ if allow_partial => Ok(()),
            n => Err(Error::Model {
                code: Code::NotFound,
                message: format!(
                    "the model has {n} variables, but there is no checkpoint at {}",
                    prefix.display()
                ),
            }),
        };
    }
    let reader = checkpoint.open(&prefix).map_err(bundle_error)?;
    let graph = reader.object_graph().map_err(bundle_error)?.ok_or_else(|| Error::Model {
        code: Code::NotFound,
        message: format!(
            "SavedModel checkpoint does not contain object graph ({OBJECT_GRAPH_KEY})."
        ),
    })?;
    let pairs = pairs(&loaded.objects, &graph);
    let tracked = |id: usize| pairs.get(&id).and_then(|id| graph.node(*id));
    let mut unmatched = Vec::new();
    for (id, variable) in &loaded.variables {
        let attribute = tracked(*id).and_then(|node| node.attribute(VARIABLE_VALUE));
        let Some(attribute) = attribute else {
            unmatched.push(*id);
            continue;
        };
        let value = checkpoint.tensor(&reader, &attribute.checkpoint_key).map_err(bundle_error)?;
        let name = variable.name();
        if !variable.shape().matches(value.shape()) {
            return Err(Error::Model {
                code: Code::InvalidArgument,
                message: format!(
                    "cannot restore variable {name}: its shape is {}, that of {} in the checkpoint is {}",
                    variable.shape(),
                    attribute.checkpoint_key,
                    value.shape()
                ),
            });
        }
        variable.assign(value).map_err(|status| Error::Model {
            code: status.code(),
            message: format!("cannot restore variable {name}: {status}"),
        })?;
    }
    if !unmatched.is_empty() && !allow_partial {
        return Err(not_bound(&loaded.objects, &unmatched));
    }
    for (id, object) in loaded.objects.objects().iter().enumerate() {
        if let Some(node) = tracked(id).filter(|_| loaded.is_loaded(id)) {
            let state = State { loaded, reader: &reader, object, node };
            state.restore()?;
        }
    }
    Ok(())
}

/// An object with state that functions restore.
struct State<'a> {
    loaded: &'a LoadedObjects,
    reader: &'a BundleReader,
    object: &'a SavedObject,
    node: &'a ObjectNode,
}

impl State<'_> {
    fn restore(&self) -> Result<(), Error> {
        for (name, functions) in &self.object.saveable_objects {
            let tensors = match &**name {
                SERIALIZE_TO_TENSORS => self.named_tensors(functions)?,
                name => self.listed_tensors(name, functions)?,
            };
            if let Some(tensors) = tensors {
                self.loaded.call_flat_object(functions.restore_function, tensors)?;
            }
        }
        Ok(())
    }

    /// The tensors of an object that saves itself as a dict: each has an attribute of its own.
    fn named_tensors(&self, functions: &SaveableFunctions) -> Result<Option<Vec<Tensor>>, Error> {
        let kind = self.loaded.objects.object(functions.save_function).map(|object| &object.kind);
        let Some(ObjectKind::BareConcreteFunction(function)) = kind else { return Ok(None) };
        let call = self.loaded.trace(&function.concrete_function)?;
        let StructuredValue::Dict(fields) = &call.function.output_signature else {
            return Ok(None);
        };
        let mut tensors = Vec::new();
        for name in fields.keys() {
            let Some(attribute) = self.node.attribute(name) else { return Ok(None) };
            tensors.push(self.reader.tensor(&attribute.checkpoint_key).map_err(bundle_error)?);
        }
        Ok(Some(tensors))
    }

    /// The tensors of an object whose function tells how the keys of its tensors end.
    fn listed_tensors(
        &self,
        name: &str,
        functions: &SaveableFunctions,
    ) -> Result<Option<Vec<Tensor>>, Error> {
        let Some(attribute) = self.node.attribute(name) else { return Ok(None) };
        let no_key = vec![Tensor::scalar_string("")];
        let outputs = self.loaded.call_flat_object(functions.save_function, no_key)?;
        let mut tensors = Vec::new();
        // Each tensor comes as a dict: its name, its slice, itself.
        for output in outputs.chunks_exact(3) {
            let [Value::Host(ending), ..] = output else { return Ok(None) };
            let endings = ending.as_strings().unwrap_or_default();
            let ending = endings.first().map(|ending| String::from_utf8_lossy(ending));
            let key = format!("{}{}", attribute.checkpoint_key, ending.unwrap_or_default());
            tensors.push(self.reader.tensor(&key).map_err(bundle_error)?);
        }
        Ok(Some(tensors))
    }
}

/// The objects of the checkpoint that saved objects are, by id.
fn pairs(objects: &SavedObjects, graph: &ObjectGraph) -> BTreeMap<usize, usize> {
    let mut pairs = BTreeMap::from([(0, 0)]);
    let mut queue = VecDeque::from([(0, 0)]);
    while let Some((saved_id, tracked_id)) = queue.pop_front() {
        let (Some(saved), Some(tracked)) = (objects.object(saved_id), graph.node(tracked_id))
        else {
            continue;
        };
        let children: HashMap<&str, usize> = tracked
            .children
            .iter()
            .map(|child| (child.local_name.as_str(), child.node_id))
            .collect();
        for child in &saved.children {
            if let Some(tracked_id) = children.get(child.local_name.as_str())
                && !pairs.contains_key(&child.node_id)
            {
                pairs.insert(child.node_id, *tracked_id);
                queue.push_back((child.node_id, *tracked_id));
            }
        }
    }
    add_slots(objects, graph, &mut pairs);
    pairs
}

/// Slot variables are no one's children: the optimizer tells which variable each is kept for.
fn add_slots(objects: &SavedObjects, graph: &ObjectGraph, pairs: &mut BTreeMap<usize, usize>) {
    for (id, object) in objects.objects().iter().enumerate() {
        let Some(tracked) = pairs.get(&id).and_then(|id| graph.node(*id)) else { continue };
        let slots: HashMap<(usize, &str), usize> = tracked
            .slot_variables
            .iter()
            .map(|slot| ((slot.original_variable, slot.slot_name.as_str()), slot.slot_variable))
            .collect();
        for slot in &object.slot_variables {
            let original = pairs.get(&slot.original_variable);
            let found = original.and_then(|id| slots.get(&(*id, slot.slot_name.as_str())));
            if let Some(found) = found {
                pairs.entry(slot.slot_variable).or_insert(*found);
            }
        }
    }
}

fn not_bound(objects: &SavedObjects, ids: &[usize]) -> Error {
    let named: Vec<String> = ids
        .iter()
        .take(MAX_NAMED)
        .map(|id| objects.path(*id).unwrap_or_else(|| format!("node {id}")))
        .collect();
    Error::Model {
        code: Code::NotFound,
        message: format!(
            "Found {} Python objects that were not bound to checkpointed values, likely due to changes in the Python \
             program. Showing {} of {} unmatched objects: [{}]",
            ids.len(),
            named.len(),
            ids.len(),
            named.join(", ")
        ),
    }
}

fn bundle_error(error: flowkeep_bundle::Error) -> Error {
    Error::Model { code: error.code(), message: error.to_string() }
}

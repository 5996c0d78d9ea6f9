//! The signatures among the objects of a model: children of a node that is called `signatures`.

use std::collections::BTreeSet;

use flowkeep_graph::MetaGraph;
use flowkeep_proto::pb;
use flowkeep_proto::pb::saved_object::Kind;
use flowkeep_proto::pb::structured_value::Kind as ValueKind;

use super::InObjects;

/// How TensorFlow names the kind of object that holds signatures.
const SIGNATURE_MAP: &str = "signature_map";

/// Whose keys are renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inputs,
    Outputs,
}

/// Whether the objects hold signatures.
pub(super) fn has_map(meta_graph: &MetaGraph) -> bool {
    meta_graph.object_graph_def.as_ref().is_some_and(|objects| objects.nodes.iter().any(is_map))
}

pub(super) fn rename(meta_graph: &mut MetaGraph, old: &str, new: &str) {
    for child in children(meta_graph).flatten().filter(|child| child.local_name == old) {
        new.clone_into(&mut child.local_name);
    }
}

pub(super) fn copy(meta_graph: &mut MetaGraph, from: &str, to: &str) {
    for children in children(meta_graph) {
        let original = children.iter().find(|child| child.local_name == from).cloned();
        children.extend(original.map(|child| Child { local_name: to.to_owned(), ..child }));
    }
}

pub(super) fn remove(meta_graph: &mut MetaGraph, key: &str) {
    for children in children(meta_graph) {
        children.retain(|child| child.local_name != key);
    }
}

/// Renames an input or output of the function of a signature, whose keys were `before`.
///
/// A function's values come in the order of their keys, so that it cannot follow a rename which changes that
/// order; nor may it if it is called under another name as well.
pub(super) fn rename_value(
    meta_graph: &mut MetaGraph,
    key: &str,
    side: Side,
    before: &[String],
    old: &str,
    new: &str,
) -> InObjects {
    let Some(objects) = &mut meta_graph.object_graph_def else { return InObjects::Same };
    let node_ids: BTreeSet<i32> = objects
        .nodes
        .iter()
        .filter(|node| is_map(node))
        .flat_map(|node| &node.children)
        .filter(|child| child.local_name == key)
        .map(|child| child.node_id)
        .collect();
    if node_ids.is_empty() {
        return InObjects::Same;
    }
    let after: Vec<&str> =
        before.iter().map(|name| if name == old { new } else { name.as_str() }).collect();
    let references = |node_id: i32| {
        let children = objects.nodes.iter().flat_map(|node| &node.children);
        children.filter(|child| child.node_id == node_id).count()
    };
    if !after.is_sorted() || node_ids.iter().any(|node_id| references(*node_id) > 1) {
        return InObjects::Before;
    }
    for node_id in node_ids {
        let node = usize::try_from(node_id).ok().and_then(|idx| objects.nodes.get_mut(idx));
        let Some(Kind::BareConcreteFunction(function)) = node.and_then(|node| node.kind.as_mut())
        else {
            return InObjects::Before;
        };
        let traced = objects.concrete_functions.get_mut(&function.concrete_function_name);
        let renaming = Renaming { old, new };
        match side {
            Side::Inputs => {
                function.argument_keywords.iter_mut().for_each(|name| renaming.apply(name));
                let spec =
                    function.function_spec.as_mut().and_then(|spec| spec.fullargspec.as_mut());
                let inputs =
                    traced.and_then(|traced| traced.canonicalized_input_signature.as_mut());
                [spec, inputs].into_iter().flatten().for_each(|value| renaming.walk(value));
            }
            Side::Outputs => {
                let outputs = traced.and_then(|traced| traced.output_signature.as_mut());
                outputs.into_iter().for_each(|value| renaming.walk(value));
            }
        }
    }
    InObjects::Same
}

type Child = pb::trackable_object_graph::trackable_object::ObjectReference;

fn is_map(node: &pb::SavedObject) -> bool {
    matches!(&node.kind, Some(Kind::UserObject(object)) if object.identifier == SIGNATURE_MAP)
}

/// The signatures, of each object that holds some.
fn children(meta_graph: &mut MetaGraph) -> impl Iterator<Item = &mut Vec<Child>> {
    let objects = meta_graph.object_graph_def.iter_mut();
    objects
        .flat_map(|objects| &mut objects.nodes)
        .filter(|node| is_map(node))
        .map(|node| &mut node.children)
}

/// A name that changes, wherever a structure has it: as a key, as a value, as the name of a tensor.
struct Renaming<'a> {
    old: &'a str,
    new: &'a str,
}

impl Renaming<'_> {
    fn apply(&self, name: &mut String) {
        if name == self.old {
            self.new.clone_into(name);
        }
    }

    /// Structures nest as deep as their message does, which the decoder limits.
    fn walk(&self, value: &mut pb::StructuredValue) {
        match &mut value.kind {
            Some(ValueKind::StringValue(name)) => self.apply(name),
            Some(ValueKind::TensorSpecValue(spec)) => self.apply(&mut spec.name),
            Some(ValueKind::BoundedTensorSpecValue(spec)) => self.apply(&mut spec.name),
            Some(ValueKind::ListValue(list)) => list.values.iter_mut().for_each(|v| self.walk(v)),
            Some(ValueKind::TupleValue(list)) => list.values.iter_mut().for_each(|v| self.walk(v)),
            Some(ValueKind::DictValue(dict)) => {
                if let Some(value) = dict.fields.remove(self.old) {
                    dict.fields.insert(self.new.to_owned(), value);
                }
                dict.fields.values_mut().for_each(|value| self.walk(value));
            }
            Some(ValueKind::NamedTupleValue(tuple)) => {
                let values = tuple.values.iter_mut();
                values.filter_map(|pair| pair.value.as_mut()).for_each(|value| self.walk(value));
            }
            _ => {}
        }
    }
}

//! What nodes compute from, and for whom, as numbers: nodes that are the same have the same ones.

use std::hash::{DefaultHasher, Hash, Hasher};

use prost::Message;

use super::super::links::Links;
use super::super::shapes::{INPUT_SHAPES, OUTPUT_SHAPES};
use crate::graph::node_id;
use crate::node::CLASS;
use crate::{Attr, AttrList, FuncRef, Graph, Node, NodeId};

/// Attributes that hold names, or follow from other things: a node that is renamed may have others.
const NAMES: [&str; 8] = [
    CLASS,
    OUTPUT_SHAPES,
    INPUT_SHAPES,
    "_user_specified_name",
    "container",
    "debug_name",
    "frame_name",
    "shared_name",
];

/// The number of a function, by its name; `None` for what is no function.
pub(super) type Callee<'a> = &'a dyn Fn(&str) -> Option<u64>;

/// A number for op and attributes of each node of a graph.
#[derive(Debug)]
pub(super) struct Locals(Vec<u64>);

impl Locals {
    pub(super) fn new(graph: &Graph, callee: Callee<'_>) -> Locals {
        Locals(graph.nodes().iter().map(|node| local(node, callee)).collect())
    }
}

/// Two numbers for each node of a graph.
#[derive(Debug)]
pub(super) struct Hashes {
    /// Tells op, attributes, and all that comes before.
    forward: Vec<u64>,
    /// Tells op, attributes, and all that comes behind.
    backward: Vec<u64>,
}

impl Hashes {
    /// The numbers of all nodes. Nodes for which `known` has a number have that one, and are not looked
    /// beyond.
    pub(super) fn new(
        graph: &Graph,
        links: &Links,
        locals: &Locals,
        known: impl Fn(NodeId) -> Option<usize>,
    ) -> Hashes {
        let start =
            (0..graph.len()).map(node_id).zip(&locals.0).map(|(id, local)| match known(id) {
                Some(number) => hash((true, number)),
                None => hash((false, local)),
            });
        let start: Vec<u64> = start.collect();
        let get = |hashes: &[u64], id: NodeId| hashes.get(id.index()).copied().unwrap_or_default();
        let mut forward = start.clone();
        for (id, node) in graph.iter().filter(|(id, _)| known(*id).is_none()) {
            // Of what comes from behind, only the start is known.
            let inputs = node.inputs().iter();
            let inputs: Vec<_> =
                inputs.map(|input| (get(&forward, input.node), input.index)).collect();
            let mut control: Vec<_> =
                node.control_inputs().iter().map(|source| get(&forward, *source)).collect();
            control.sort_unstable();
            let all = hash((get(&start, id), inputs, control));
            set(&mut forward, id, all);
        }
        let mut backward = start.clone();
        let ids: Vec<NodeId> = graph.iter().map(|(id, _)| id).collect();
        for id in ids.into_iter().rev().filter(|id| known(*id).is_none()) {
            let data = links.data(id).iter();
            let mut data: Vec<_> =
                data.map(|link| (get(&backward, link.consumer), link.input, link.output)).collect();
            data.sort_unstable();
            let mut control: Vec<_> =
                links.control(id).iter().map(|consumer| get(&backward, *consumer)).collect();
            control.sort_unstable();
            let all = hash((get(&start, id), data, control));
            set(&mut backward, id, all);
        }
        Hashes { forward, backward }
    }

    /// What tells a node from others: what it computes from, and for whom.
    pub(super) fn get(&self, id: NodeId) -> (u64, u64) {
        let get = |hashes: &[u64]| hashes.get(id.index()).copied().unwrap_or_default();
        (get(&self.forward), get(&self.backward))
    }

    /// A number for all nodes together, in no order.
    pub(super) fn of_all(&self) -> u64 {
        let mut all: Vec<_> = self.forward.iter().zip(&self.backward).collect();
        all.sort_unstable();
        hash(all)
    }
}

fn set(hashes: &mut [u64], id: NodeId, value: u64) {
    if let Some(hash) = hashes.get_mut(id.index()) {
        *hash = value;
    }
}

pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Op and attributes of a node.
fn local(node: &Node, callee: Callee<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    name(node.op(), callee).hash(&mut hasher);
    for (attr_name, attr) in node.attrs().iter().filter(|(name, _)| !NAMES.contains(name)) {
        attr_name.hash(&mut hasher);
        hash_attr(attr, callee, &mut hasher);
    }
    hasher.finish()
}

fn name(op: &str, callee: Callee<'_>) -> u64 {
    callee(op).unwrap_or_else(|| hash(op))
}

fn hash_attr(attr: &Attr, callee: Callee<'_>, hasher: &mut DefaultHasher) {
    std::mem::discriminant(attr).hash(hasher);
    match attr {
        Attr::Unset => {}
        Attr::Str(value) => value.hash(hasher),
        Attr::Int(value) => value.hash(hasher),
        Attr::Float(value) => value.to_bits().hash(hasher),
        Attr::Bool(value) => value.hash(hasher),
        Attr::Type(value) => value.hash(hasher),
        Attr::Shape(value) => value.dims().hash(hasher),
        Attr::Tensor(value) => value.proto().encode_to_vec().hash(hasher),
        Attr::Func(value) => hash_func(value, callee, hasher),
        Attr::Placeholder(value) => value.hash(hasher),
        Attr::Raw(value) => value.encode_to_vec().hash(hasher),
        Attr::List(list) => {
            list.len().hash(hasher);
            match list {
                AttrList::Empty => {}
                AttrList::Str(values) => values.hash(hasher),
                AttrList::Int(values) => values.hash(hasher),
                AttrList::Float(values) => values.iter().for_each(|v| v.to_bits().hash(hasher)),
                AttrList::Bool(values) => values.hash(hasher),
                AttrList::Type(values) => values.hash(hasher),
                AttrList::Shape(values) => values.iter().for_each(|v| v.dims().hash(hasher)),
                AttrList::Tensor(values) => {
                    values.iter().for_each(|v| v.proto().encode_to_vec().hash(hasher));
                }
                AttrList::Func(values) => {
                    values.iter().for_each(|value| hash_func(value, callee, hasher));
                }
            }
        }
    }
}

fn hash_func(func: &FuncRef, callee: Callee<'_>, hasher: &mut DefaultHasher) {
    name(&func.name, callee).hash(hasher);
    func.attrs.len().hash(hasher);
    for (name, attr) in func.attrs.iter() {
        name.hash(hasher);
        hash_attr(attr, callee, hasher);
    }
}

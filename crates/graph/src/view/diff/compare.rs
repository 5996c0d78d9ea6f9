//! What of a node has changed.

use std::collections::BTreeSet;

use prost::Message;

use super::super::ConstantTotals;
use super::super::shapes::{INPUT_SHAPES, OUTPUT_SHAPES};
use super::functions::FunctionNames;
use super::hashes::Callee;
use super::matching::Matching;
use super::{Change, DiffOptions, NodeDiff};
use crate::node::CLASS;
use crate::{Attr, AttrList, Attrs, FuncRef, Graph, Node, NodeId, Output, TensorAttr};

/// Two graphs, and which of their nodes are the same.
pub(super) struct Pairs<'a> {
    pub(super) a: &'a Graph,
    pub(super) b: &'a Graph,
    pub(super) matching: Matching,
    names: &'a FunctionNames,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(a: &'a Graph, b: &'a Graph, names: &'a FunctionNames) -> Pairs<'a> {
        let callees: [Callee<'_>; 2] =
            [&|name: &str| names.number_in_a(name), &|name: &str| names.number_in_b(name)];
        Pairs { a, b, matching: Matching::new(a, b, callees), names }
    }

    /// How many nodes are the same in all, and those that are not, by name.
    pub(super) fn diff(&self, options: &DiffOptions) -> (usize, Vec<NodeDiff>) {
        let mut n_same = 0;
        let mut diffs = Vec::new();
        for (id, node) in self.a.iter() {
            let Some(other) = self.matching.in_b(id).and_then(|other| self.b.get(other)) else {
                let (name, op) = (node.name().to_owned(), node.op().to_owned());
                diffs.push(NodeDiff::Removed { name, op });
                continue;
            };
            let changes = self.changes(node, other, options);
            let is_renamed = node.name() != other.name();
            if changes.is_empty() && (!is_renamed || options.ignore_names) {
                n_same += 1;
                continue;
            }
            diffs.push(NodeDiff::Changed {
                name: other.name().to_owned(),
                old_name: is_renamed.then(|| node.name().to_owned()),
                op: other.op().to_owned(),
                changes,
            });
        }
        for (id, node) in self.b.iter() {
            if self.matching.in_a(id).is_none() {
                let (name, op) = (node.name().to_owned(), node.op().to_owned());
                diffs.push(NodeDiff::Added { name, op });
            }
        }
        diffs.sort_by(|a, b| a.name().cmp(b.name()));
        (n_same, diffs)
    }

    fn changes(&self, a: &Node, b: &Node, options: &DiffOptions) -> Vec<Change> {
        let mut changes = Vec::new();
        if !self.names.is_same(a.op(), b.op()) {
            changes.push(Change::Op { old: a.op().to_owned(), new: b.op().to_owned() });
        }
        for index in 0..a.inputs().len().max(b.inputs().len()) {
            let (old, new) = (a.inputs().get(index), b.inputs().get(index));
            let is_same = old.zip(new).is_some_and(|(old, new)| self.is_same(*old, *new));
            if !is_same {
                let old = old.map(|old| self.a.tensor_name(*old).to_string());
                let new = new.map(|new| self.b.tensor_name(*new).to_string());
                changes.push(Change::Input { index, old, new });
            }
        }
        changes.extend(self.control_changes(a, b));
        changes.extend(self.attr_changes(a.attrs(), b.attrs(), options));
        if a.device() != b.device() && !options.ignore_devices {
            changes.push(Change::Device { old: a.device().into(), new: b.device().into() });
        }
        changes
    }

    /// Whether two tensors are the same output of nodes that are the same.
    pub(super) fn is_same(&self, a: Output, b: Output) -> bool {
        self.matching.in_b(a.node) == Some(b.node) && a.index == b.index
    }

    fn control_changes(&self, a: &Node, b: &Node) -> Option<Change> {
        let is_new = |id: &&NodeId| {
            self.matching.in_a(**id).is_none_or(|old| !a.control_inputs().contains(&old))
        };
        let is_gone = |id: &&NodeId| {
            self.matching.in_b(**id).is_none_or(|new| !b.control_inputs().contains(&new))
        };
        let names = |graph: &Graph, ids: Vec<&NodeId>| -> Vec<String> {
            let mut names: Vec<_> =
                ids.into_iter().map(|id| graph.node(*id).name().to_owned()).collect();
            names.sort();
            names
        };
        let removed = names(self.a, a.control_inputs().iter().filter(is_gone).collect());
        let added = names(self.b, b.control_inputs().iter().filter(is_new).collect());
        let is_same = removed.is_empty() && added.is_empty();
        (!is_same).then_some(Change::ControlInputs { removed, added })
    }

    /// What differs in attributes.
    pub(super) fn attr_changes(&self, a: &Attrs, b: &Attrs, options: &DiffOptions) -> Vec<Change> {
        let names: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
        let ignored = |name: &str| options.ignore_attrs.iter().any(|ignored| ignored == name);
        let mut changes = Vec::new();
        for name in names.into_iter().filter(|name| !ignored(name)) {
            let (old, new) = (a.get(name), b.get(name));
            let is_same = match (old, new) {
                (Some(old), Some(new)) if name == CLASS => self.is_same_class(old, new),
                (Some(old), Some(new)) => same_attr(old, new, &|a, b| self.names.is_same(a, b)),
                _ => [INPUT_SHAPES, OUTPUT_SHAPES].contains(&name),
            };
            if !is_same {
                let (old, new) = (old.cloned(), new.cloned());
                changes.push(Change::Attr { name: name.to_owned(), old, new });
            }
        }
        changes
    }

    /// Whether two attributes `_class` name the same nodes.
    fn is_same_class(&self, a: &Attr, b: &Attr) -> bool {
        let groups = |attr: &Attr, rename: &dyn Fn(&str) -> Option<String>| -> BTreeSet<Vec<u8>> {
            let classes = attr.as_strs().unwrap_or_default().iter();
            let renamed = classes.map(|class| {
                let target = crate::node::colocation_target(class).and_then(rename);
                target.map_or_else(|| class.to_vec(), |name| format!("loc:@{name}").into_bytes())
            });
            renamed.collect()
        };
        let new_name = |name: &str| {
            let new = self.matching.in_b(self.a.node_by_name(name)?)?;
            Some(self.b.get(new)?.name().to_owned())
        };
        groups(a, &new_name) == groups(b, &|_| None)
    }
}

/// Whether two values are the same: NaN is the same as NaN, tensors are the same in whatever form they
/// are stored, and functions if `is_same_function` says so of their names.
fn same_attr(a: &Attr, b: &Attr, is_same_function: &dyn Fn(&str, &str) -> bool) -> bool {
    let is_same_func = |a: &FuncRef, b: &FuncRef| same_func(a, b, is_same_function);
    match (a, b) {
        (Attr::Float(a), Attr::Float(b)) => a.to_bits() == b.to_bits(),
        (Attr::Tensor(a), Attr::Tensor(b)) => same_tensor(a, b),
        (Attr::Func(a), Attr::Func(b)) => is_same_func(a, b),
        (Attr::List(AttrList::Float(a)), Attr::List(AttrList::Float(b))) => {
            all_same(a, b, |a, b| a.to_bits() == b.to_bits())
        }
        (Attr::List(AttrList::Tensor(a)), Attr::List(AttrList::Tensor(b))) => {
            all_same(a, b, same_tensor)
        }
        (Attr::List(AttrList::Func(a)), Attr::List(AttrList::Func(b))) => {
            all_same(a, b, is_same_func)
        }
        (Attr::Raw(a), Attr::Raw(b)) => a.encode_to_vec() == b.encode_to_vec(),
        (Attr::Unset, Attr::List(AttrList::Empty)) | (Attr::List(AttrList::Empty), Attr::Unset) => {
            true
        }
        _ => a == b,
    }
}

fn all_same<T>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}

fn same_func(a: &FuncRef, b: &FuncRef, is_same_function: &dyn Fn(&str, &str) -> bool) -> bool {
    let (attrs_a, attrs_b) = (&a.attrs, &b.attrs);
    is_same_function(&a.name, &b.name)
        && attrs_a.len() == attrs_b.len()
        && attrs_a
            .iter()
            .zip(attrs_b.iter())
            .all(|((name_a, a), (name_b, b))| name_a == name_b && same_attr(a, b, is_same_function))
}

fn same_tensor(a: &TensorAttr, b: &TensorAttr) -> bool {
    if a.proto().encode_to_vec() == b.proto().encode_to_vec() {
        return true;
    }
    if ![a, b].into_iter().all(is_worth_decoding) {
        return false;
    }
    let (Ok(a), Ok(b)) = (a.tensor(), b.tensor()) else { return false };
    let same_elements = || match (a.as_strings(), b.as_strings()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.as_bytes().is_ok() && a.as_bytes().ok() == b.as_bytes().ok(),
    };
    a.dtype() == b.dtype() && a.shape() == b.shape() && same_elements()
}

/// A value that stands for many more elements than are stored is only compared as it is stored.
fn is_worth_decoding(tensor: &TensorAttr) -> bool {
    const SMALL: u64 = 1 << 20;
    let mut totals = ConstantTotals::default();
    totals.add(tensor.proto());
    totals.len_bytes.max(totals.n_elements) <= totals.stored_bytes.saturating_mul(16).max(SMALL)
}

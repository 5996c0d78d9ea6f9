//! Which nodes of two graphs are the same.

use std::collections::HashMap;
use std::hash::Hash;

use super::super::links::Links;
use super::hashes::{Callee, Hashes, Locals};
use super::suffix::pairs_by_suffix;
use crate::{Graph, NodeId};

/// How often nodes are looked at anew because others have been found.
const MAX_ROUNDS: usize = 64;

/// Which node of the one graph is which of the other.
#[derive(Debug)]
pub(super) struct Matching {
    /// For each node of the first graph, the one of the second.
    to_b: Vec<Option<NodeId>>,
    /// For each node of the second graph, the one of the first.
    to_a: Vec<Option<NodeId>>,
}

impl Matching {
    /// Finds the nodes that are the same: those of the same name and op first, then those that nothing
    /// but the name tells apart, then those that stand in the same place.
    ///
    /// `callees` are the numbers of the functions of both graphs.
    pub(super) fn new(a: &Graph, b: &Graph, callees: [Callee<'_>; 2]) -> Matching {
        let mut matching = Matching { to_b: vec![None; a.len()], to_a: vec![None; b.len()] };
        let [callee_a, callee_b] = callees;
        let is_same_op = |id_a: NodeId, id_b: NodeId| {
            let [op_a, op_b] = [a.node(id_a).op(), b.node(id_b).op()];
            match (callee_a(op_a), callee_b(op_b)) {
                (None, None) => op_a == op_b,
                (a, b) => a == b,
            }
        };
        for (id, node) in a.iter() {
            if let Some(other) = b.node_by_name(node.name()).filter(|other| is_same_op(id, *other))
            {
                matching.set(id, other);
            }
        }
        let mut sides = None;
        for _ in 0..MAX_ROUNDS {
            if matching.is_complete() {
                break;
            }
            let sides =
                sides.get_or_insert_with(|| [Side::new(a, callee_a), Side::new(b, callee_b)]);
            let mut found = matching.by_structure(sides);
            if found.is_empty() {
                found = matching.by_place(a, b, &is_same_op);
            }
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|(a, b)| matching.set(a, b));
        }
        // What is left is the same node with another op, if it has the same name.
        for (id, node) in
            a.iter().filter(|(id, _)| matching.in_b(*id).is_none()).collect::<Vec<_>>()
        {
            let other = b.node_by_name(node.name());
            if let Some(other) = other.filter(|other| matching.in_a(*other).is_none()) {
                matching.set(id, other);
            }
        }
        matching
    }

    /// The node of the second graph that a node of the first is.
    pub(super) fn in_b(&self, a: NodeId) -> Option<NodeId> {
        self.to_b.get(a.index()).copied().flatten()
    }

    /// The node of the first graph that a node of the second is.
    pub(super) fn in_a(&self, b: NodeId) -> Option<NodeId> {
        self.to_a.get(b.index()).copied().flatten()
    }

    /// Matches two nodes, unless one of them has been matched.
    fn set(&mut self, a: NodeId, b: NodeId) {
        if let (Some(to_b @ None), Some(to_a @ None)) =
            (self.to_b.get_mut(a.index()), self.to_a.get_mut(b.index()))
        {
            *to_b = Some(b);
            *to_a = Some(a);
        }
    }

    fn is_complete(&self) -> bool {
        self.to_b.iter().all(Option::is_some) || self.to_a.iter().all(Option::is_some)
    }

    /// Nodes with equal hashes that no other node has; if there are none, those of several whose names
    /// end alike.
    fn by_structure(&self, [of_a, of_b]: &[Side<'_>; 2]) -> Vec<(NodeId, NodeId)> {
        let (a, b) = (of_a.graph, of_b.graph);
        // A pair of nodes has the number of the first.
        let hashes_a = of_a.hashes(|id| self.in_b(id).map(|_| id.index()));
        let hashes_b = of_b.hashes(|id| self.in_a(id).map(NodeId::index));
        let rest_a = a.iter().map(|(id, _)| id).filter(|id| self.in_b(*id).is_none());
        let rest_b = b.iter().map(|(id, _)| id).filter(|id| self.in_a(*id).is_none());
        let groups = groups(rest_a, rest_b, |id| hashes_a.get(id), |id| hashes_b.get(id));
        let unique = groups.iter().filter_map(|(of_a, of_b)| match (&of_a[..], &of_b[..]) {
            ([a], [b]) => Some((*a, *b)),
            _ => None,
        });
        let unique: Vec<_> = unique.collect();
        if !unique.is_empty() {
            return unique;
        }
        let mut found = Vec::new();
        for (of_a, of_b) in &groups {
            let names_a: Vec<&str> = of_a.iter().map(|id| a.node(*id).name()).collect();
            let names_b: Vec<&str> = of_b.iter().map(|id| b.node(*id).name()).collect();
            let pairs = pairs_by_suffix(&names_a, &names_b).into_iter();
            found.extend(pairs.filter_map(|(a, b)| Some((*of_a.get(a)?, *of_b.get(b)?))));
        }
        found
    }

    /// Nodes of one op that feed the same input of nodes that are the same, and are no other node's
    /// counterpart by that rule.
    fn by_place(
        &self,
        a: &Graph,
        b: &Graph,
        is_same_op: &impl Fn(NodeId, NodeId) -> bool,
    ) -> Vec<(NodeId, NodeId)> {
        let mut proposed: Vec<(NodeId, NodeId)> = Vec::new();
        for (id_a, node_a) in a.iter() {
            let Some(node_b) = self.in_b(id_a).and_then(|id| b.get(id)) else { continue };
            if node_a.inputs().len() != node_b.inputs().len() {
                continue;
            }
            for (input_a, input_b) in node_a.inputs().iter().zip(node_b.inputs()) {
                let is_free =
                    self.in_b(input_a.node).is_none() && self.in_a(input_b.node).is_none();
                if is_free
                    && input_a.index == input_b.index
                    && is_same_op(input_a.node, input_b.node)
                {
                    proposed.push((input_a.node, input_b.node));
                }
            }
        }
        proposed.sort_unstable();
        proposed.dedup();
        let (mut times_a, mut times_b) = (HashMap::new(), HashMap::new());
        for (a, b) in &proposed {
            *times_a.entry(*a).or_insert(0) += 1;
            *times_b.entry(*b).or_insert(0) += 1;
        }
        proposed.retain(|(a, b)| times_a.get(a) == Some(&1) && times_b.get(b) == Some(&1));
        proposed
    }
}

/// What does not change of a graph while nodes are matched.
struct Side<'a> {
    graph: &'a Graph,
    links: Links,
    locals: Locals,
}

impl<'a> Side<'a> {
    fn new(graph: &'a Graph, callee: Callee<'_>) -> Side<'a> {
        Side { graph, links: Links::new(graph), locals: Locals::new(graph, callee) }
    }

    fn hashes(&self, known: impl Fn(NodeId) -> Option<usize>) -> Hashes {
        Hashes::new(self.graph, &self.links, &self.locals, known)
    }
}

/// The elements of two lists that have the same key, for each key that both have.
fn groups<K: Hash + Eq, T>(
    a: impl Iterator<Item = T>,
    b: impl Iterator<Item = T>,
    key_of_a: impl Fn(T) -> K,
    key_of_b: impl Fn(T) -> K,
) -> Vec<(Vec<T>, Vec<T>)>
where
    T: Copy,
{
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<(Vec<T>, Vec<T>)> = Vec::new();
    for item in a {
        let place = *places.entry(key_of_a(item)).or_insert(groups.len());
        if place == groups.len() {
            groups.push((Vec::new(), Vec::new()));
        }
        if let Some((of_a, _)) = groups.get_mut(place) {
            of_a.push(item);
        }
    }
    for item in b {
        let place = places.get(&key_of_b(item));
        if let Some((_, of_b)) = place.and_then(|place| groups.get_mut(*place)) {
            of_b.push(item);
        }
    }
    groups.retain(|(_, of_b)| !of_b.is_empty());
    groups
}

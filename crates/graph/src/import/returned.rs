//! What an import gives back.

use std::ops::Range;

use super::input_map::{InputMap, Slot, parse_tensor_name};
use super::link::Linked;
use super::naming::Naming;
use crate::{Element, Error, Node, NodeId};

/// What [`Graph::import_into`](crate::Graph::import_into) has added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Imported {
    /// What was asked for as [`ImportOptions::return_elements`](crate::ImportOptions::return_elements),
    /// in that order. A tensor that the input map replaces is given as what replaces it.
    pub elements: Vec<Element>,
    nodes: Range<u32>,
    naming: Naming,
}

impl Imported {
    pub(super) fn new(
        n_before: usize,
        n_nodes: usize,
        naming: Naming,
        elements: Vec<Element>,
    ) -> Imported {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let nodes = number(n_before)..number(n_before + n_nodes);
        Imported { elements, nodes, naming }
    }

    /// The nodes, in the order in which they were added.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        self.nodes.clone().map(NodeId)
    }

    /// The scope of the nodes, with its slash; empty for the root.
    pub fn prefix(&self) -> &str {
        &self.naming.prefix
    }

    /// The name in the graph of the node that the message calls `name`.
    pub fn name(&self, name: &str) -> String {
        self.naming.any_name(name)
    }
}

/// An element that is to be returned, by its name in the message.
pub(super) enum Wanted<'a> {
    Tensor(&'a str, u32),
    Node(&'a str),
}

/// Reads the names of elements to return.
pub(super) fn parse(elements: &[String]) -> Result<Vec<Wanted<'_>>, Error> {
    let mut wanted = Vec::with_capacity(elements.len());
    for name in elements {
        wanted.push(if name.contains(':') {
            let (node, index) = parse_tensor_name(name)?;
            Wanted::Tensor(node, index)
        } else {
            Wanted::Node(name)
        });
    }
    Ok(wanted)
}

/// A message whose nodes are built.
pub(super) struct Built<'a> {
    pub(super) linked: &'a Linked,
    /// The ids of the nodes, by their place in the message.
    pub(super) positions: &'a [NodeId],
    /// How many nodes the graph had before.
    pub(super) n_before: usize,
    pub(super) nodes: &'a [Node],
}

impl Built<'_> {
    /// The node that the message calls `name`.
    fn node(&self, name: &str) -> Option<(NodeId, &Node)> {
        let place = self.linked.by_name.get(name)?;
        let id = *self.positions.get(place.index())?;
        Some((id, self.nodes.get(id.index().checked_sub(self.n_before)?)?))
    }

    /// Finds the elements to return.
    pub(super) fn find(
        &self,
        wanted: &[Wanted<'_>],
        input_map: &InputMap,
    ) -> Result<Vec<Element>, Error> {
        let tensor = |name: &str, index: u32| {
            if let Some(output) = input_map.replacement(name, index) {
                return Ok(Element::Output(output));
            }
            let (id, node) = self.node(name).ok_or_else(|| {
                Error::Import(format!(
                    "Requested return tensor '{name}:{index}' not found in graph def"
                ))
            })?;
            match node.n_outputs() {
                Some(n_outputs) if usize::try_from(index).is_ok_and(|index| index >= n_outputs) => {
                    Err(Error::Import(format!(
                        "Invalid return output {index} of node '{name}', which has {n_outputs} output(s)"
                    )))
                }
                _ => Ok(Element::Output(id.output(index))),
            }
        };
        let node = |name: &str| match self.node(name) {
            Some((id, _)) => Ok(Element::Node(id)),
            None => {
                Err(Error::Import(format!("Requested return node '{name}' not found in graph def")))
            }
        };
        let found: Vec<Result<Element, Error>> = wanted
            .iter()
            .map(|wanted| match wanted {
                Wanted::Tensor(name, index) => tensor(name, *index),
                Wanted::Node(name) => node(name),
            })
            .collect();
        // Of several that are not there, a tensor is told before a node.
        let is_tensor = |wanted: &Wanted<'_>| matches!(wanted, Wanted::Tensor(..));
        let mut failed = found.iter().zip(wanted).filter(|(found, _)| found.is_err());
        match failed.clone().find(|(_, wanted)| is_tensor(wanted)).or_else(|| failed.next()) {
            Some((Err(error), _)) => Err(error.clone()),
            _ => found.into_iter().collect(),
        }
    }

    /// Whether the message has a node of this name, with this output.
    pub(super) fn has(&self, name: &str, slot: Slot) -> bool {
        match (self.node(name), slot) {
            (None, _) => false,
            (Some(_), Slot::Control) => true,
            (Some((_, node)), Slot::Output(index)) => match node.n_outputs() {
                Some(n_outputs) => usize::try_from(index).is_ok_and(|index| index < n_outputs),
                None => true,
            },
        }
    }
}

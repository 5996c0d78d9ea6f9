//! Inputs of imported nodes that are fed from the graph.

use std::cell::Cell;
use std::collections::HashMap;

use crate::{Error, ImportOptions, InputRef, NodeId, Output};

/// [`ImportOptions::input_map`], by the node that a key names.
#[derive(Debug, Default)]
pub(super) struct InputMap {
    by_node: HashMap<String, Vec<Mapping>>,
}

#[derive(Debug)]
struct Mapping {
    slot: Slot,
    to: Output,
    is_used: Cell<bool>,
}

/// What of a node is meant. A control input sorts before outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Control,
    Output(u32),
}

impl InputMap {
    /// Reads the keys; the graph has `n_nodes` nodes.
    pub(super) fn new(options: &ImportOptions, n_nodes: usize) -> Result<InputMap, Error> {
        let mut by_node: HashMap<String, Vec<Mapping>> = HashMap::new();
        for (key, to) in &options.input_map {
            let (node, slot) = match key.strip_prefix('^') {
                Some(node) => (node, Slot::Control),
                None => {
                    let (node, index) = parse_tensor_name(key)?;
                    (node, Slot::Output(index))
                }
            };
            if to.node.index() >= n_nodes {
                return Err(Error::Import(format!(
                    "node '#{}' in input_map does not exist in graph (input_map entry: {key}->#{}:{})",
                    to.node.0, to.node.0, to.index
                )));
            }
            let mappings = by_node.entry(node.to_owned()).or_default();
            match mappings.iter_mut().find(|mapping| mapping.slot == slot) {
                // `a` and `a:0` are one key; the last counts.
                Some(mapping) => mapping.to = *to,
                None => mappings.push(Mapping { slot, to: *to, is_used: Cell::new(false) }),
            }
        }
        Ok(InputMap { by_node })
    }

    /// The output that stands for a tensor, which counts as used from then on.
    pub(super) fn output(&self, node: &str, index: u32) -> Option<Output> {
        self.find(node, Slot::Output(index))
    }

    /// The node that stands for a control input, which counts as used from then on.
    pub(super) fn control(&self, node: &str) -> Option<NodeId> {
        self.find(node, Slot::Control).map(|output| output.node)
    }

    /// The output that stands for a tensor.
    pub(super) fn replacement(&self, node: &str, index: u32) -> Option<Output> {
        self.mapping(node, Slot::Output(index)).map(|mapping| mapping.to)
    }

    fn find(&self, node: &str, slot: Slot) -> Option<Output> {
        let mapping = self.mapping(node, slot)?;
        mapping.is_used.set(true);
        Some(mapping.to)
    }

    fn mapping(&self, node: &str, slot: Slot) -> Option<&Mapping> {
        if self.by_node.is_empty() {
            return None;
        }
        self.by_node.get(node)?.iter().find(|mapping| mapping.slot == slot)
    }

    /// Fails when keys name nothing. A key that nothing uses must still name something that
    /// `exists`.
    pub(super) fn check_all_found(&self, exists: impl Fn(&str, Slot) -> bool) -> Result<(), Error> {
        let mut missing: Vec<(&str, Slot)> = Vec::new();
        for (node, mappings) in &self.by_node {
            let unused = mappings.iter().filter(|mapping| !mapping.is_used.get());
            missing.extend(
                unused
                    .map(|mapping| (node.as_str(), mapping.slot))
                    .filter(|key| !exists(key.0, key.1)),
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        let keys: Vec<String> = missing
            .iter()
            .map(|(node, slot)| match slot {
                Slot::Control => InputRef::Control(node).to_string(),
                Slot::Output(index) => format!("{node}:{index}"),
            })
            .collect();
        Err(Error::Import(format!(
            "Attempted to map inputs that were not found in graph_def: [{}]",
            keys.join(", ")
        )))
    }
}

/// The node and the index of `node` or `node:index`.
pub(super) fn parse_tensor_name(name: &str) -> Result<(&str, u32), Error> {
    let mut parts = name.split(':');
    let node = parts.next().unwrap_or_default();
    match (parts.next(), parts.count()) {
        (None, _) => Ok((node, 0)),
        (Some(digits), 0) => match digits.parse() {
            Ok(index) if !digits.starts_with('+') => Ok((node, index)),
            _ => Err(Error::Import(format!(
                "Cannot convert '{name}' to a tensor name. Second component of the name following the \
                 `:` should be an int. Got {digits}."
            ))),
        },
        (Some(_), more) => Err(Error::Import(format!(
            "Cannot convert '{name}' to a tensor name. Tensor names should not contain more than 1 `:`. \
             Obtained {}",
            more + 1
        ))),
    }
}

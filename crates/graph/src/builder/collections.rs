use std::collections::BTreeMap;

use flowkeep_proto::pb;

use super::{Scope, Variable};
use crate::{Graph, NodeId, Output};

/// The collection of all variables that are saved, `variables`.
pub const GLOBAL_VARIABLES: &str = "variables";
/// The collection of the variables that training changes.
pub const TRAINABLE_VARIABLES: &str = "trainable_variables";
/// The collection of the variables that are not saved.
pub const LOCAL_VARIABLES: &str = "local_variables";

/// What is in the collections of a graph.
#[derive(Clone, Debug, Default)]
pub struct Collections(BTreeMap<String, Vec<CollectionItem>>);

/// Something in a collection.
#[derive(Clone, Debug, PartialEq)]
pub enum CollectionItem {
    /// A variable.
    Variable(Variable),
    /// A tensor.
    Tensor(Output),
    /// A node.
    Node(NodeId),
}

impl Collections {
    /// The items of a collection, in the order in which they were put there.
    pub fn get(&self, name: &str) -> &[CollectionItem] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// All collections, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[CollectionItem])> {
        self.0.iter().map(|(name, items)| (name.as_str(), items.as_slice()))
    }

    /// The variables of a collection.
    pub fn variables(&self, name: &str) -> impl Iterator<Item = &Variable> {
        self.get(name).iter().filter_map(|item| match item {
            CollectionItem::Variable(variable) => Some(variable),
            _ => None,
        })
    }

    /// The messages of the variables of a collection of a graph.
    pub fn variable_defs(&self, name: &str, graph: &Graph) -> Vec<pb::VariableDef> {
        self.variables(name).map(|variable| variable.to_proto(graph)).collect()
    }

    pub(super) fn add_variable(&mut self, name: &str, variable: Variable) {
        self.add(name, CollectionItem::Variable(variable));
    }

    fn add(&mut self, name: &str, item: CollectionItem) {
        self.0.entry(name.to_owned()).or_default().push(item);
    }
}

impl Scope {
    /// What is in the collections of the graph.
    pub fn collections(&self) -> &Collections {
        &self.collections
    }

    /// Puts something into a collection.
    pub fn add_to_collection(&mut self, name: &str, item: CollectionItem) {
        self.collections.add(name, item);
    }
}

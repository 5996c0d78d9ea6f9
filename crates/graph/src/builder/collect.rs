//! The collections of a graph that is built.

use super::Scope;
use crate::{CollectionItem, Collections};

impl Scope {
    /// What is in the collections of the graph.
    pub fn collections(&self) -> &Collections {
        &self.collections
    }

    /// What is in the collections of the graph, to be changed.
    pub fn collections_mut(&mut self) -> &mut Collections {
        &mut self.collections
    }

    /// Puts something into a collection.
    pub fn add_to_collection(&mut self, name: &str, item: impl Into<CollectionItem>) {
        self.collections.add(name, item);
    }

    /// The items of a collection, in the order in which they were put there. With a scope, those whose
    /// names begin with it; see [`Collections::in_scope`], and [`Collections::matching`] for any
    /// pattern.
    pub fn get_collection(&self, name: &str, scope: Option<&str>) -> Vec<CollectionItem> {
        match scope {
            None => self.collections.get(name).to_vec(),
            Some(scope) => self.collections.in_scope(name, scope, &self.graph),
        }
    }
}

use super::lookup::Index;
use super::paths::origins;
use super::{Attribute, ObjectGraph, ObjectNode};

impl ObjectGraph {
    /// The graph whose attributes have other checkpoint keys: those that `rename` gives, and their
    /// own where it gives none. Nodes, paths and full names stay.
    ///
    /// For entries whose keys go on where that of their attribute ends, see
    /// [`ObjectGraph::attribute_of_entry`]: they are renamed with the attribute.
    pub fn rename_keys(&self, mut rename: impl FnMut(&str) -> Option<String>) -> ObjectGraph {
        let mut nodes = self.nodes.clone();
        for attribute in nodes.iter_mut().flat_map(|node| &mut node.attributes) {
            if let Some(key) = rename(&attribute.checkpoint_key) {
                attribute.checkpoint_key = key;
            }
        }
        self.with(nodes)
    }

    /// The graph with only those attributes whose checkpoint keys are to be kept.
    ///
    /// Nodes stay, and their ids. Slot variables that have no attribute left are no longer referred
    /// to, and [`ObjectNode::has_checkpoint_values`], where it is set, is brought up to date.
    pub fn retain_keys(&self, mut keep: impl FnMut(&str) -> bool) -> ObjectGraph {
        let mut nodes = self.nodes.clone();
        for node in &mut nodes {
            node.attributes.retain(|attribute: &Attribute| keep(&attribute.checkpoint_key));
        }
        let has_attributes: Vec<_> = nodes.iter().map(|node| !node.attributes.is_empty()).collect();
        let is_left = |id: usize| has_attributes.get(id).copied().unwrap_or(false);
        for node in &mut nodes {
            node.slot_variables.retain(|slot| is_left(slot.slot_variable));
        }
        mark_values(&mut nodes);
        self.with(nodes)
    }

    /// The graph of nodes that refer to the same nodes as before, or fewer.
    fn with(&self, nodes: Vec<ObjectNode>) -> ObjectGraph {
        ObjectGraph { origins: origins(&nodes), index: Index::new(&nodes), nodes }
    }
}

/// Sets `has_checkpoint_values` of the nodes that have it: whether values can be reached.
fn mark_values(nodes: &mut [ObjectNode]) {
    let mut parents = vec![Vec::new(); nodes.len()];
    for (parent, node) in nodes.iter().enumerate() {
        for child in &node.children {
            if let Some(parents) = parents.get_mut(child.node_id) {
                parents.push(parent);
            }
        }
    }
    let mut has_values = vec![false; nodes.len()];
    let own = nodes.iter().enumerate().filter(|(_, node)| {
        !node.attributes.is_empty()
            || !node.slot_variables.is_empty()
            || node.registered_saver.is_some()
    });
    let mut to_visit: Vec<usize> = own.map(|(id, _)| id).collect();
    while let Some(id) = to_visit.pop() {
        if let Some(marked @ false) = has_values.get_mut(id) {
            *marked = true;
            to_visit.extend(parents.get(id).into_iter().flatten());
        }
    }
    for (node, has_values) in nodes.iter_mut().zip(has_values) {
        node.has_checkpoint_values = node.has_checkpoint_values.map(|_| has_values);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Child, SlotVariable};
    use super::*;

    fn graph() -> ObjectGraph {
        let attribute = |key: &str| Attribute {
            name: String::new(),
            full_name: String::new(),
            checkpoint_key: key.into(),
        };
        let child = |node_id| Child { node_id, local_name: node_id.to_string() };
        let slot =
            |id| SlotVariable { original_variable: 1, slot_name: "m".into(), slot_variable: id };
        let node = |children: &[usize], keys: &[&str]| ObjectNode {
            children: children.iter().copied().map(child).collect(),
            attributes: keys.iter().copied().map(attribute).collect(),
            has_checkpoint_values: Some(true),
            ..ObjectNode::default()
        };
        let mut nodes =
            vec![node(&[1, 2, 4], &[]), node(&[], &["a", "b"]), node(&[0], &[]), node(&[], &["s"])];
        nodes.push(ObjectNode { slot_variables: vec![slot(3)], ..node(&[], &[]) });
        nodes.push(ObjectNode { has_checkpoint_values: None, ..node(&[], &["c"]) });
        ObjectGraph::new(nodes).unwrap()
    }

    fn keys(graph: &ObjectGraph) -> Vec<&str> {
        graph.variables().map(|one| &*one.attribute.checkpoint_key).collect()
    }

    fn marks(graph: &ObjectGraph) -> Vec<Option<bool>> {
        graph.nodes().iter().map(|node| node.has_checkpoint_values).collect()
    }

    #[test]
    fn keys_are_renamed_and_looked_up_by_their_new_names() {
        let graph = graph();
        let renamed = graph.rename_keys(|key| (key != "b").then(|| format!("new/{key}")));
        assert_eq!(keys(&renamed), ["new/a", "b", "new/s", "new/c"]);
        assert_eq!(renamed.by_key("new/s").unwrap().node_id, 3);
        assert_eq!((renamed.by_key("a"), renamed.path(3)), (None, graph.path(3)));
        assert_eq!(marks(&renamed), marks(&graph));
        let back = renamed.rename_keys(|key| key.strip_prefix("new/").map(str::to_owned));
        assert_eq!(back, graph);
    }

    #[test]
    fn what_is_left_of_a_graph_says_where_values_are() {
        let graph = graph();
        assert_eq!(graph.retain_keys(|_| true), graph);
        let without_slot = graph.retain_keys(|key| key != "s");
        assert_eq!(keys(&without_slot), ["a", "b", "c"]);
        assert_eq!(without_slot.path(3), None);
        let some = Some(true);
        let none = Some(false);
        assert_eq!(marks(&without_slot), [some, some, some, none, none, None]);
        assert_eq!(
            marks(&graph.retain_keys(|key| key == "s")),
            [some, none, some, some, some, None]
        );
        assert_eq!(marks(&graph.retain_keys(|_| false)), [none, none, none, none, none, None]);
    }
}

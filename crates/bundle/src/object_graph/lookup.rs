use super::{Attribute, ObjectGraph, ObjectNode};

/// An attribute of an object graph with its place in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVariable<'a> {
    /// The object's id.
    pub node_id: usize,
    /// The object's path; `None` if the root does not lead to it.
    pub path: Option<String>,
    /// The attribute, with its key and its full name.
    pub attribute: &'a Attribute,
}

/// Where each attribute is: the node and the index among its attributes.
type Place = (usize, usize);

/// The places of attributes in order of their keys and of their full names.
#[derive(Clone, Debug)]
pub(super) struct Index {
    by_key: Vec<Place>,
    by_full_name: Vec<Place>,
}

impl Index {
    pub(super) fn new(nodes: &[ObjectNode]) -> Index {
        let places = nodes.iter().enumerate().flat_map(|(node_id, node)| {
            (0..node.attributes.len()).map(move |attribute_idx| (node_id, attribute_idx))
        });
        let mut by_key: Vec<_> = places.collect();
        let mut by_full_name = by_key.clone();
        let key = |place: &Place| attribute_at(nodes, *place).map(|one| &*one.checkpoint_key);
        by_key.sort_by(|a, b| key(a).cmp(&key(b)));
        let name = |place: &Place| attribute_at(nodes, *place).map(|one| &*one.full_name);
        by_full_name.sort_by(|a, b| name(a).cmp(&name(b)));
        Index { by_key, by_full_name }
    }
}

fn attribute_at(nodes: &[ObjectNode], (node_id, attribute_idx): Place) -> Option<&Attribute> {
    nodes.get(node_id)?.attributes.get(attribute_idx)
}

impl ObjectGraph {
    /// Every attribute, by nodes, with the path of its object.
    ///
    /// Paths are made one by one: in a hostile graph, all together could be far longer than its
    /// bytes.
    pub fn variables(&self) -> impl Iterator<Item = ObjectVariable<'_>> {
        self.nodes.iter().enumerate().flat_map(move |(node_id, node)| {
            let attributes = node.attributes.iter();
            attributes.map(move |attribute| self.variable(node_id, attribute))
        })
    }

    fn variable<'a>(&'a self, node_id: usize, attribute: &'a Attribute) -> ObjectVariable<'a> {
        ObjectVariable { node_id, path: self.path(node_id), attribute }
    }

    fn variable_at(&self, place: Place) -> Option<ObjectVariable<'_>> {
        Some(self.variable(place.0, attribute_at(&self.nodes, place)?))
    }

    /// The attribute with this checkpoint key; of several, that of the first node.
    pub fn by_key(&self, key: &str) -> Option<ObjectVariable<'_>> {
        let places = &self.index.by_key;
        let idx = places.partition_point(|place| self.key_at(*place) < key);
        self.variable_at(places.get(idx).copied().filter(|place| self.key_at(*place) == key)?)
    }

    fn key_at(&self, place: Place) -> &str {
        attribute_at(&self.nodes, place).map_or("", |attribute| &attribute.checkpoint_key)
    }

    /// The attribute that an entry of the checkpoint belongs to: the one with this key, else the one
    /// whose key is the longest beginning of it, as `t/.ATTRIBUTES/table` is of
    /// `t/.ATTRIBUTES/table-keys`.
    ///
    /// The entries of a registered saver belong to no attribute.
    pub fn attribute_of_entry(&self, key: &str) -> Option<ObjectVariable<'_>> {
        // In order of their bytes, whatever a key begins with comes before it, and anything between
        // them is longer than what they have in common.
        let mut rest = key.as_bytes();
        loop {
            let found = self.last_key_up_to(rest)?;
            if found.is_empty() {
                return None;
            }
            if rest.starts_with(found.as_bytes()) {
                return self.by_key(found);
            }
            let n_common = rest.iter().zip(found.as_bytes()).take_while(|(a, b)| a == b).count();
            rest = rest.get(..n_common)?;
        }
    }

    /// The last key in order that is not beyond `key`.
    fn last_key_up_to(&self, key: &[u8]) -> Option<&str> {
        let places = &self.index.by_key;
        let end = places.partition_point(|place| self.key_at(*place).as_bytes() <= key);
        places.get(end.checked_sub(1)?).map(|place| self.key_at(*place))
    }

    /// The attribute of the variable with this full name; of several, that of the last node, as when
    /// TensorFlow restores a name-based graph from an object-based checkpoint.
    pub fn by_full_name(&self, full_name: &str) -> Option<ObjectVariable<'_>> {
        if full_name.is_empty() {
            return None;
        }
        let places = &self.index.by_full_name;
        let name_at = |place: &Place| {
            attribute_at(&self.nodes, *place).map_or("", |attribute| &*attribute.full_name)
        };
        let end = places.partition_point(|place| name_at(place) <= full_name);
        let last = places.get(end.checked_sub(1)?).copied();
        self.variable_at(last.filter(|place| name_at(place) == full_name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: &[&[(&str, &str)]]) -> ObjectGraph {
        let attribute = |(key, full_name): &(&str, &str)| Attribute {
            name: String::new(),
            full_name: (*full_name).into(),
            checkpoint_key: (*key).into(),
        };
        let node = |attributes: &&[(&str, &str)]| ObjectNode {
            attributes: attributes.iter().map(attribute).collect(),
            ..ObjectNode::default()
        };
        ObjectGraph::new(nodes.iter().map(node).collect()).unwrap()
    }

    #[test]
    fn attributes_are_found_by_key_and_name() {
        let graph = graph(&[
            &[("b", "x"), ("a", "")],
            &[("t/table", ""), ("a", "x"), ("t/tab", "y")],
            &[("t/table-kex", ""), ("t/table-key/s", ""), ("", "")],
            &[("\u{e9}", "w")],
        ]);
        let by_key = |key| graph.by_key(key).map(|one| (one.node_id, &*one.attribute.full_name));
        assert_eq!(by_key("a"), Some((0, "")));
        assert_eq!(by_key("b"), Some((0, "x")));
        assert_eq!((by_key("c"), by_key("")), (None, Some((2, ""))));
        let by_name = |name| graph.by_full_name(name).map(|one| &*one.attribute.checkpoint_key);
        assert_eq!(
            (by_name("x"), by_name("y"), by_name("w")),
            (Some("a"), Some("t/tab"), Some("\u{e9}"))
        );
        assert_eq!((by_name(""), by_name("v"), by_name("z")), (None, None, None));
        let of_entry =
            |key| graph.attribute_of_entry(key).map(|one| &*one.attribute.checkpoint_key);
        assert_eq!(of_entry("t/table"), Some("t/table"));
        assert_eq!(of_entry("t/table-keys"), Some("t/table"));
        assert_eq!(of_entry("t/table\u{e9}"), Some("t/table"));
        assert_eq!(of_entry("t/tablet-keys"), Some("t/table"));
        assert_eq!(of_entry("t/tabs"), Some("t/tab"));
        assert_eq!(of_entry("t/table\u{0}"), Some("t/table"));
        assert_eq!(of_entry("\u{e8}"), None);
        assert_eq!((of_entry("t/ta"), of_entry(""), of_entry("z")), (None, None, None));
        assert_eq!(graph.variables().count(), 9);
        let reached: Vec<_> = graph.variables().map(|one| one.path.is_some()).collect();
        assert!(reached[..2] == [true, true] && reached[2..].iter().all(|reached| !reached));
    }
}

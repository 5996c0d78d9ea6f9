//! What a name that names nothing was probably meant to be.

use crate::{Graph, Node, mistyped};

/// Longer names are not compared letter by letter.
const MAX_LEN: usize = 256;

/// More nodes are not compared letter by letter.
const MAX_NODES: usize = 100_000;

impl Graph {
    /// The name of a node or tensor that `name` was probably meant to be, if it names none.
    ///
    /// With `as_tensor` a tensor is wanted, else a node. Tried are, in this order: the other of the
    /// two, as `x:0` for `x`; another case of letters; scopes left out or put in front; few letters
    /// that differ.
    ///
    /// ```
    /// use flowkeep_graph::{Graph, NodeSpec};
    ///
    /// let mut graph = Graph::new();
    /// graph.add_node(NodeSpec::new("model/init", "NoOp"))?;
    /// assert_eq!(graph.meant("init", false).as_deref(), Some("model/init"));
    /// assert_eq!(graph.meant("model/Init:0", false).as_deref(), Some("model/init"));
    /// assert_eq!(graph.meant("loss", false), None);
    /// # Ok::<(), flowkeep_graph::Error>(())
    /// ```
    pub fn meant(&self, name: &str, as_tensor: bool) -> Option<String> {
        let (node, index) = match name.split_once(':') {
            Some((node, index)) => (node, index.parse().unwrap_or(0)),
            None => (name, 0),
        };
        let node = node.trim().trim_start_matches('^');
        let found = self.node_meant(node)?;
        if !as_tensor {
            return Some(found.name().to_owned());
        }
        let index: u32 = match found.n_outputs() {
            Some(0) => return None,
            Some(n) if usize::try_from(index).is_ok_and(|index| index < n) => index,
            Some(_) => 0,
            None => index,
        };
        Some(format!("{}:{index}", found.name()))
    }

    fn node_meant(&self, name: &str) -> Option<&Node> {
        if let Some(id) = self.node_by_name(name) {
            return self.get(id);
        }
        let by = |is: &dyn Fn(&str) -> bool| self.nodes().iter().find(|node| is(node.name()));
        by(&|other| other.eq_ignore_ascii_case(name))
            .or_else(|| by(&|other| lacks_scope(name, other)))
            .or_else(|| by(&|other| lacks_scope(other, name)))
            .or_else(|| self.nearest(name))
    }

    /// The node whose name differs in the fewest letters, if these are few.
    fn nearest(&self, name: &str) -> Option<&Node> {
        if name.len() > MAX_LEN || self.len() > MAX_NODES {
            return None;
        }
        let near =
            self.nodes().iter().filter_map(|node| Some((mistyped(name, node.name())?, node)));
        near.min_by_key(|(distance, _)| *distance).map(|(_, node)| node)
    }
}

/// Whether `whole` is `name` in some scope.
fn lacks_scope(name: &str, whole: &str) -> bool {
    !name.is_empty() && whole.strip_suffix(name).is_some_and(|scope| scope.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attr, NodeSpec};
    use flowkeep_tensor::DType;

    fn graph() -> Graph {
        let mut graph = Graph::new();
        for name in ["x", "model/dense/BiasAdd", "keep_prob"] {
            let spec = NodeSpec::new(name, "Placeholder").attr("dtype", Attr::Type(DType::F32));
            graph.add_node(spec).unwrap();
        }
        graph.add_node(NodeSpec::new("init", "NoOp")).unwrap();
        graph
    }

    #[test]
    fn what_is_near_is_told() {
        let graph = graph();
        for (name, as_tensor, meant) in [
            ("x", true, Some("x:0")),
            ("x:0", false, Some("x")),
            ("x:3", true, Some("x:0")),
            ("^x", false, Some("x")),
            ("X", true, Some("x:0")),
            ("BiasAdd:0", true, Some("model/dense/BiasAdd:0")),
            ("dense/BiasAdd", false, Some("model/dense/BiasAdd")),
            ("outer/model/dense/BiasAdd", false, Some("model/dense/BiasAdd")),
            ("keepprob:0", true, Some("keep_prob:0")),
            ("keep_porb", false, Some("keep_prob")),
            ("init", true, None),
            ("Add", false, None),
            ("images", false, None),
            ("", false, None),
        ] {
            assert_eq!(graph.meant(name, as_tensor).as_deref(), meant, "{name}");
        }
    }
}

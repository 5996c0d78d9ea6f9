//! Graphs that are built node by node.

use std::sync::Arc;

use flowkeep_proto::pb;

use crate::graph::node_id;
use crate::import::{
    Draft, Drafting, FUNCTIONS_SINCE, GRAPH_DEF_VERSION, NodeParts, Source, check_outputs,
    check_types,
};
use crate::{Error, Function, Graph, Node, NodeId, NodeSpec, Output, is_valid_node_name};

impl Graph {
    /// An empty graph of this version, [`GRAPH_DEF_VERSION`].
    ///
    /// [`Graph::default`] is an empty graph that does not say its version.
    pub fn new() -> Graph {
        let versions = pb::VersionDef { producer: GRAPH_DEF_VERSION, ..Default::default() };
        Graph { versions: Some(versions), ..Default::default() }
    }

    /// Sets the versions of the graph's writer and readers.
    ///
    /// Nodes that are there are not checked against them; nodes that are added are.
    pub fn set_versions(&mut self, versions: Option<pb::VersionDef>) {
        self.versions = versions;
    }

    /// Adds a function to the library; nothing happens when it is there already.
    ///
    /// A node that called it before it was there stays one of an unknown op. Readers must be of
    /// version 12 at least from then on.
    ///
    /// Errors: as [`Library::add`](crate::Library::add).
    pub fn add_function(&mut self, function: Function) -> Result<(), Error> {
        Arc::make_mut(&mut self.library).add(function)?;
        self.extra.has_library = true;
        if let Some(versions) = &mut self.versions {
            versions.min_consumer = versions.min_consumer.max(FUNCTIONS_SINCE);
        }
        Ok(())
    }

    /// Adds a node behind all others, checked as import checks nodes.
    ///
    /// All its inputs are nodes that exist, so that order is kept. A loop is closed afterwards: see
    /// [`Graph::close_loop`].
    ///
    /// Errors, with TensorFlow's texts: `INVALID_ARGUMENT` for a name that is malformed or taken, for
    /// inputs and attributes that contradict the op, and for a `_class` that names no node;
    /// `UNIMPLEMENTED` for ops that were removed. The graph is then as it was.
    pub fn add_node(&mut self, spec: NodeSpec) -> Result<NodeId, Error> {
        if !is_valid_node_name(&spec.name) {
            return Err(Error::NodeName { node: spec.name.to_string() });
        }
        if self.by_name.contains_key(&spec.name) {
            return Err(Error::NameInGraph { node: spec.name.to_string() });
        }
        let node = self.checked(spec)?;
        let id = node_id(self.nodes.len());
        self.by_name.insert(node.name.clone(), id);
        self.nodes.push(node);
        Ok(id)
    }

    fn checked(&self, spec: NodeSpec) -> Result<Node, Error> {
        let NodeSpec { name, op, inputs, mut control_inputs, attrs, device, extra } = spec;
        if op.is_empty() {
            return Err(Error::NoOpType { node: name.to_string() });
        }
        let sources = inputs.iter().map(|input| input.node).chain(control_inputs.iter().copied());
        for source in sources {
            if self.get(source).is_none() {
                let input = format!("#{}", source.0);
                return Err(Error::UnknownInput { node: name.to_string(), input });
            }
        }
        let parts = NodeParts { name, op: &op, device, extra };
        let mut drafting = Drafting::default();
        let node_at = |id: NodeId| self.get(id).map(Source::from);
        check_outputs(&parts.name, &inputs, node_at)?;
        let draft = Draft::new(parts, attrs, &self.library, &mut drafting)?;
        draft.check_arity(inputs.len())?;
        draft.check_deprecation(self.producer())?;
        check_types((&draft).into(), &inputs, node_at)?;
        control_inputs.sort_unstable();
        control_inputs.dedup();
        let node = draft.finish(inputs.as_slice().into(), control_inputs.into());
        for target in node.colocation() {
            if target != node.name() && !self.by_name.contains_key(target) {
                return Err(Error::UnknownColocation {
                    node: node.name.to_string(),
                    target: target.to_owned(),
                });
            }
        }
        Ok(node)
    }

    /// Feeds an input of a Merge from a NextIteration, whose place another input has held until then.
    ///
    /// ```
    /// use flowkeep_graph::{Attr, Graph, NodeSpec};
    /// use flowkeep_tensor::DType;
    ///
    /// let t = || ("T", Attr::Type(DType::F32));
    /// let node = |name, op| NodeSpec::new(name, op).attr(t().0, t().1);
    /// let mut graph = Graph::new();
    /// let x = graph.add_node(NodeSpec::new("x", "Placeholder").attr("dtype", t().1))?;
    /// let enter = node("enter", "Enter").input(x.output(0)).attr("frame_name", Attr::Str("f".into()));
    /// let enter = graph.add_node(enter)?.output(0);
    /// let merge = graph.add_node(node("merge", "Merge").inputs([enter, enter]).attr("N", Attr::Int(2)))?;
    /// let next = graph.add_node(node("next", "NextIteration").input(merge.output(0)))?;
    /// graph.close_loop(merge, 1, next.output(0))?;
    /// assert_eq!(graph.node(merge).inputs(), [enter, next.output(0)]);
    /// # Ok::<(), flowkeep_graph::Error>(())
    /// ```
    ///
    /// Errors: `INVALID_ARGUMENT` when `merge` is no Merge or `next` no output of a NextIteration of
    /// the same type, and when no input of the Merge would be left that comes before it.
    pub fn close_loop(&mut self, merge: NodeId, input: usize, next: Output) -> Result<(), Error> {
        let unknown = |id: NodeId| Error::UnknownInput {
            node: self.get(merge).map_or("", Node::name).to_owned(),
            input: format!("#{}", id.0),
        };
        let node = self.get(merge).ok_or_else(|| unknown(merge))?;
        let source = self.get(next.node).ok_or_else(|| unknown(next.node))?;
        if !(node.is_merge() && source.is_next_iteration()) {
            return Err(Error::BackEdge { node: node.name.to_string() });
        }
        let mut inputs = node.inputs.clone();
        let place = inputs.get_mut(input).ok_or_else(|| {
            Error::Arguments(format!("Node '{}' has no input {input}", node.name))
        })?;
        *place = next;
        if inputs.iter().all(|input| input.node >= merge) {
            return Err(Error::Cycle { n_nodes: 1 });
        }
        Source::from(source).check_output(&node.name, next.index)?;
        Source::from(node).check_input(input, &source.into(), next.index)?;
        if let Some(node) = self.nodes.get_mut(merge.index()) {
            node.inputs = inputs;
        }
        Ok(())
    }
}

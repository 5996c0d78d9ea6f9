//! Graphs that are built node by node.

use std::borrow::Cow;
use std::sync::Arc;

use flowkeep_proto::pb;

use crate::graph::node_id;
use crate::import::{
    Draft, Drafting, FUNCTIONS_SINCE, GRAPH_DEF_VERSION, NodeParts, Source, check_outputs,
    check_types,
};
use crate::{
    Attr, Error, Function, Graph, GraphEdit, Node, NodeId, NodeSpec, Output, is_valid_node_name,
};

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

    /// Gives a node more inputs, behind those that it has, and other attributes, by which it may have more
    /// outputs. The inputs may be nodes that were made after it: [`Graph::iter`] then gives them before it.
    ///
    /// ```
    /// use flowkeep_graph::{Attr, Graph, NodeSpec};
    /// use flowkeep_tensor::DType;
    ///
    /// let placeholder = |name| NodeSpec::new(name, "Placeholder").attr("dtype", Attr::Type(DType::F32));
    /// let mut graph = Graph::new();
    /// let x = graph.add_node(placeholder("x"))?.output(0);
    /// let sum = NodeSpec::new("sum", "AddN").input(x);
    /// let sum = graph.add_node(sum.attr("T", Attr::Type(DType::F32)).attr("N", Attr::Int(1)))?;
    /// let y = graph.add_node(placeholder("y"))?.output(0);
    /// graph.extend_node(sum, &[y], vec![("N", Attr::Int(2))])?;
    /// assert_eq!(graph.node(sum).inputs(), [x, y]);
    /// assert_eq!(graph.iter().map(|(_, node)| node.name()).collect::<Vec<_>>(), ["x", "y", "sum"]);
    /// # Ok::<(), flowkeep_graph::Error>(())
    /// ```
    ///
    /// Errors: `INVALID_ARGUMENT` for inputs and attributes that contradict the op, for outputs that are no
    /// longer there, and for inputs that depend on the node. The graph is then as it was.
    pub fn extend_node(
        &mut self,
        id: NodeId,
        inputs: &[Output],
        attrs: Vec<(&str, Attr)>,
    ) -> Result<(), Error> {
        let old = self.get(id).ok_or_else(|| Error::UnknownInput {
            node: String::new(),
            input: format!("#{}", id.0),
        })?;
        let spec = NodeSpec::from(old).inputs(inputs.iter().copied());
        let spec = attrs.into_iter().fold(spec, |spec, (name, attr)| spec.attr(name, attr));
        let new = self.checked(spec)?;
        let (old_types, new_types) = (old.output_types(), new.output_types());
        let has_old_outputs = match (old_types, new_types) {
            (Some(old), Some(new)) => new.starts_with(old),
            (old, new) => old == new,
        };
        if !has_old_outputs {
            let name = &old.name;
            return Err(Error::Arguments(format!("Node '{name}' would lose some of its outputs")));
        }
        if let Some(order) = self.order_with(id, inputs)? {
            self.order = order;
        }
        if let Some(node) = self.nodes.get_mut(id.index()) {
            *node = new;
        }
        Ok(())
    }

    /// The graph with ids in topological order.
    pub(crate) fn sorted(&self) -> Cow<'_, Graph> {
        if self.order.is_empty() {
            return Cow::Borrowed(self);
        }
        // Nothing is edited that could be wrong.
        GraphEdit::new(self.clone()).finish().map_or(Cow::Borrowed(self), Cow::Owned)
    }

    /// A topological order in which a node comes after these tensors, and all that they depend on; `None` if
    /// it does already.
    fn order_with(&self, id: NodeId, inputs: &[Output]) -> Result<Option<Vec<NodeId>>, Error> {
        if inputs.is_empty() {
            return Ok(None);
        }
        let order: Vec<NodeId> = self.iter().map(|(id, _)| id).collect();
        let mut places = vec![0; order.len()];
        for (place, id) in order.iter().enumerate() {
            if let Some(place_of) = places.get_mut(id.index()) {
                *place_of = place;
            }
        }
        let place_of = |id: NodeId| places.get(id.index()).copied().unwrap_or(0);
        let place = place_of(id);
        let mut before = vec![false; order.len()];
        let mut queue: Vec<NodeId> = inputs.iter().map(|input| input.node).collect();
        while let Some(next) = queue.pop() {
            if next == id {
                return Err(Error::Cycle { n_nodes: 1 });
            }
            let Some(is_before) = before.get_mut(next.index()).filter(|is_before| !**is_before)
            else {
                continue;
            };
            // What comes before the node depends on nothing behind it.
            if place_of(next) < place {
                continue;
            }
            *is_before = true;
            if let Some(node) = self.get(next) {
                queue.extend(node.inputs().iter().map(|input| input.node));
                queue.extend(node.control_inputs());
            }
        }
        if !before.contains(&true) {
            return Ok(None);
        }
        let (first, rest) = order.split_at(place);
        let is_before = |id: &&NodeId| before.get(id.index()).copied().unwrap_or(false);
        let moved = rest.iter().filter(is_before);
        let others = rest.iter().filter(|id| !is_before(id));
        Ok(Some(first.iter().chain(moved).chain(others).copied().collect()))
    }
}

//! Functions whose gradients are made beside them, in one scope.

use bytes::Bytes;
use flowkeep_tensor::PartialShape;

use super::class_scopes::{groups, set_groups};
use super::name_scopes::NameScopes;
use super::placement::Placement;
use super::scope::unknown_node;
use super::shape::{HandleShape, Shapes};
use super::{Operand, Scope};
use crate::node::colocation_target;
use crate::{Attr, AttrList, Error, FunctionBody, Graph, NodeId, NodeSpec, Output};

/// What new nodes of a function are called, and where they are.
#[derive(Clone, Debug)]
pub(crate) struct FunctionRoot {
    names: NameScopes,
    placement: Placement,
}

impl FunctionRoot {
    /// The root of a function that is all of a scope so far.
    pub(crate) fn of(scope: &Scope) -> FunctionRoot {
        let mut names = NameScopes::default();
        for node in scope.graph.nodes() {
            names.names_mut().insert(node.name());
        }
        FunctionRoot { names, placement: scope.placement.clone() }
    }
}

impl Scope {
    /// A scope of a function's graph in which no names are taken; `arg_shape` says what is known of the
    /// shapes of the arguments, where the function does not.
    pub(crate) fn of_function(
        &self,
        body: &FunctionBody,
        arg_shape: impl Fn(usize) -> PartialShape,
    ) -> Scope {
        let mut graph = body.graph.clone();
        graph.versions = self.graph.versions.clone().or(Graph::new().versions);
        let stored = |output: Output| {
            let place = usize::try_from(output.index).unwrap_or(usize::MAX);
            let attr = graph.get(output.node).and_then(|node| node.attr("_output_shapes"));
            let stored = attr.and_then(Attr::as_shapes);
            let stored = stored.and_then(|shapes| shapes.get(place).cloned());
            let arg = body.args.iter().position(|arg| *arg == output.node);
            stored.or_else(|| arg.map(&arg_shape)).unwrap_or_default()
        };
        let shapes = Shapes::of_graph_with(&graph, self.shapes.provider(), stored);
        let mut scope = Scope::with_shapes(Graph::new(), self.shapes.provider());
        scope.graph = graph;
        scope.shapes = shapes;
        scope
    }

    /// What a handle is known to refer to.
    pub(crate) fn handle(&self, tensor: Output) -> Option<&HandleShape> {
        self.shapes.handle(tensor)
    }

    pub(crate) fn set_handle(&mut self, tensor: Output, handle: HandleShape) {
        self.shapes.set_handle(tensor, handle);
    }

    /// Adds a node of this very name, which no scope has a part in.
    pub(crate) fn function_node<const N: usize>(
        &mut self,
        name: &str,
        op: &str,
        attrs: [(&str, Attr); N],
    ) -> Result<Output, Error> {
        let mut name = name.to_owned();
        while self.graph.node_by_name(&name).is_some() {
            name.push('_');
        }
        let attrs = attrs.into_iter();
        let spec = attrs.fold(NodeSpec::new(name, op), |spec, (name, attr)| spec.attr(name, attr));
        let id = self.graph.add_node(spec)?;
        self.shapes.infer(&self.graph, id)?;
        Ok(id.output(0))
    }

    /// Makes something at the root of a function.
    pub(crate) fn at_root<T>(
        &mut self,
        root: &mut FunctionRoot,
        make: impl FnOnce(&mut Scope) -> T,
    ) -> T {
        std::mem::swap(&mut self.names, &mut root.names);
        let placement = std::mem::replace(&mut self.placement, root.placement.clone());
        let control = std::mem::take(&mut self.control);
        let op_name = self.op_name.take();
        let made = make(self);
        self.op_name = op_name;
        self.control = control;
        self.placement = placement;
        std::mem::swap(&mut self.names, &mut root.names);
        made
    }

    /// Puts what is made where `outer` puts it: beside nodes that nodes here stand for, which are given.
    pub(crate) fn colocate_like(&mut self, outer: &Scope) -> Result<Vec<NodeId>, Error> {
        let prefix = outer.capturing.as_deref().map_or("", |capturing| &*capturing.prefix);
        let mut stand_ins = Vec::with_capacity(outer.placement.colocation.len());
        for id in &outer.placement.colocation {
            let groups = groups(&outer.graph, *id).into_iter();
            let own = |group: Bytes| match colocation_target(&group) {
                Some(target) => {
                    format!("loc:@{}", target.strip_prefix(prefix).unwrap_or(target)).into()
                }
                None => group,
            };
            let groups: Vec<Bytes> = groups.map(own).collect();
            let name = format!("outer_{}", self.graph.len());
            let stand_in = self.function_node(&name, "NoOp", [])?.node;
            let device = outer.graph.get(*id).map(|node| node.device.clone());
            if let Some((node, device)) = self.graph.nodes.get_mut(stand_in.index()).zip(device) {
                set_groups(&mut node.attrs, groups);
                node.device = device;
            }
            stand_ins.push(stand_in);
        }
        self.placement.colocation.extend(&stand_ins);
        Ok(stand_ins)
    }

    /// Lets a node run after one that was made later.
    pub(crate) fn run_after(&mut self, id: NodeId, later: NodeId) {
        if let Some(node) = self.graph.nodes.get_mut(id.index()) {
            let mut all = node.control_inputs.to_vec();
            all.push(later);
            node.control_inputs = all.into();
        }
    }

    /// Gives a node other attributes, by which it has more outputs, of these shapes.
    pub(crate) fn extend_outputs(
        &mut self,
        id: NodeId,
        attrs: Vec<(&str, Attr)>,
        shapes: &[PartialShape],
    ) -> Result<(), Error> {
        for (name, attr) in attrs {
            self.set_attr(id, name, attr)?;
        }
        let library = self.graph.library.clone();
        let node = self.graph.nodes.get_mut(id.index()).ok_or_else(|| unknown_node(id))?;
        if let Some(def) = node.signature(&library) {
            node.output_types = Some(def.output_ports(&node.attrs)?.into_types());
        }
        self.shapes.extend(id, shapes);
        Ok(())
    }

    /// Gives a node more inputs, other attributes and more outputs, of these shapes.
    pub(crate) fn extend_node(
        &mut self,
        id: NodeId,
        inputs: &[Output],
        attrs: Vec<(&str, Attr)>,
        shapes: &[PartialShape],
    ) -> Result<(), Error> {
        self.graph.extend_node(id, inputs, attrs)?;
        self.shapes.extend(id, shapes);
        Ok(())
    }

    /// An empty scope, where as much is known of shapes as here.
    pub(crate) fn of_new_function(&self) -> Scope {
        let mut scope = Scope::with_shapes(Graph::new(), self.shapes.provider());
        scope.graph.versions = self.graph.versions.clone().or(scope.graph.versions);
        scope
    }

    /// Feeds what a tensor fed with another one.
    pub(crate) fn redirect(&mut self, from: Output, to: Output) {
        for node in &mut self.graph.nodes {
            for input in node.inputs.iter_mut().filter(|input| **input == from) {
                *input = to;
            }
        }
    }

    /// Puts functions of another graph that started with those of this one in their place.
    pub(crate) fn take_functions(&mut self, other: &Graph) {
        self.graph.library = other.library.clone();
        self.graph.extra.has_library |= other.extra.has_library;
    }

    /// Adds a function to those of the graph.
    pub(crate) fn add_function(&mut self, function: crate::Function) -> Result<(), Error> {
        self.graph.add_function(function)
    }

    /// A node of an op that runs one of several functions, with results of these types and shapes.
    pub(crate) fn run_one_of(
        &mut self,
        op: &str,
        name: Option<&str>,
        functions: Vec<(&str, Attr)>,
        inputs: (Output, Vec<Output>),
        results: (Vec<flowkeep_tensor::DType>, Vec<PartialShape>),
        others: Vec<(&str, Attr)>,
    ) -> Result<NodeId, Error> {
        let (types, shapes) = results;
        let mut node =
            self.op(op).input(inputs.0).input_list(inputs.1.into_iter().map(Operand::from));
        if let Some(name) = name {
            node = node.name(name);
        }
        node = node.attr("Tout", Attr::List(AttrList::Type(types.into())));
        node = node.attr("output_shapes", Attr::List(AttrList::Shape(shapes.into())));
        for (name, attr) in functions.into_iter().chain(others) {
            node = node.attr(name, attr);
        }
        node.build()
    }
}

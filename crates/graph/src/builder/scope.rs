use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use flowkeep_proto::pb;
use flowkeep_tensor::{DType, PartialShape, Tensor};

use super::class_scopes::ClassScopes;
use super::dependencies::ControlBlocks;
use super::get_variable::VariableStore;
use super::name_scopes::NameScopes;
use super::placement::Placement;
use super::random::Seeds;
use super::shape::{BuiltinShapes, ShapeProvider, Shapes};
use super::variable_scope::{VariableScope, VariableScopes};
use crate::gradients::{Capturing, Flow};
use crate::graph::node_id;
use crate::{Attr, AttrList, Collections, Error, Graph, NodeId, Output};

/// A graph under construction, and the scopes that say how new nodes are named and placed.
///
/// What TensorFlow keeps in a `tf.Graph` and its stacks is here: name scopes, variable scopes,
/// devices, colocation, control dependencies, the variables by name, the collections. Nodes get the
/// names, attributes, inputs and constants that `tf.compat.v1` gives them in a graph.
///
/// A scope is entered by a method that gives a guard, [`Entered`](super::Entered), which stands for
/// the `Scope` until it is dropped and the scope is left.
///
/// ```
/// use flowkeep_graph::builder::{Initializer, Scope, VariableOptions};
/// use flowkeep_tensor::DType;
///
/// let mut scope = Scope::new();
/// let x = scope.with_op_name("x").placeholder(DType::F32, [None, Some(4)])?;
/// let mut layer = scope.variable_scope("layer")?;
/// let w = layer.get_variable("w", VariableOptions::new().shape([4, 2]).initializer(Initializer::Zeros))?;
/// let y = layer.matmul(x, &w)?;
/// drop(layer);
///
/// assert_eq!(scope.shape(y).to_string(), "[?,2]");
/// let graph = scope.into_graph();
/// assert_eq!(graph.tensor_name(y).to_string(), "layer/MatMul:0");
/// assert!(graph.node_by_name("layer/w/Initializer/zeros").is_some());
/// # Ok::<(), flowkeep_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct Scope {
    pub(super) graph: Graph,
    pub(super) names: NameScopes,
    pub(super) variable_scopes: VariableScopes,
    pub(super) control: ControlBlocks,
    pub(super) placement: Placement,
    pub(super) classes: ClassScopes,
    pub(super) container: String,
    /// The name for the next op that asks for one.
    pub(super) op_name: Option<String>,
    pub(super) variables: VariableStore,
    pub(super) collections: Collections,
    pub(super) shapes: Shapes,
    pub(super) seeds: Seeds,
    /// Whether variables are resources where neither they nor their scope say.
    pub(super) resource_variables: bool,
    /// The reductions, by the shape and the axes, that gradients were made of.
    pub(super) reductions: HashSet<(Vec<u64>, Vec<i64>)>,
    /// The loops that gradients are being made of.
    pub(crate) flow: Flow,
    /// The gradient that is being made of the function that the graph is of.
    pub(crate) capturing: Option<Box<Capturing>>,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope::new()
    }
}

impl Scope {
    /// An empty graph, at its root.
    pub fn new() -> Scope {
        Scope::with_shapes(Graph::new(), Arc::new(BuiltinShapes))
    }

    /// A graph that is there, at its root. Its names are taken; its variables are not known by name.
    pub fn from_graph(graph: Graph) -> Scope {
        Scope::with_shapes(graph, Arc::new(BuiltinShapes))
    }

    /// A graph that is there, with another source of shapes.
    pub fn with_shapes(graph: Graph, provider: Arc<dyn ShapeProvider>) -> Scope {
        let mut names = NameScopes::default();
        for node in graph.nodes() {
            names.names_mut().insert(node.name());
        }
        let shapes = Shapes::of_graph(&graph, provider);
        Scope {
            graph,
            names,
            variable_scopes: VariableScopes::default(),
            control: ControlBlocks::default(),
            placement: Placement::default(),
            classes: ClassScopes::default(),
            container: String::new(),
            op_name: None,
            variables: VariableStore::default(),
            collections: Collections::default(),
            shapes,
            seeds: Seeds::default(),
            resource_variables: true,
            reductions: HashSet::new(),
            flow: Flow::default(),
            capturing: None,
        }
    }

    /// The graph as far as it is built.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// The graph, with what is in its collections.
    pub fn into_parts(self) -> (Graph, Collections) {
        (self.graph, self.collections)
    }

    /// What is known of the shape of a tensor.
    pub fn shape(&self, tensor: Output) -> &PartialShape {
        self.shapes.get(tensor)
    }

    /// The type of the elements of the variable that a handle refers to, if it is known.
    pub(crate) fn handle_dtype(&self, handle: Output) -> Option<DType> {
        self.shapes.handle(handle).map(|handle| handle.dtype)
    }

    /// The shape of the variable that a handle refers to, as far as it is known.
    pub(crate) fn handle_shape(&self, handle: Output) -> Option<&PartialShape> {
        self.shapes.handle(handle).map(|handle| &handle.shape)
    }

    /// The value of a tensor, if shape functions can compute it.
    pub fn computed_value(&self, tensor: Output) -> Option<Tensor> {
        self.shapes.value(&self.graph, tensor)
    }

    /// Whether no gradient was made yet of a reduction of this shape along these axes; one is from now on.
    pub(crate) fn is_new_reduction(&mut self, dims: &[u64], axes: &[i64]) -> bool {
        self.reductions.insert((dims.to_vec(), axes.to_vec()))
    }

    /// The graph in the form of a message, with what is known of the shapes of all tensors in the
    /// attribute `_output_shapes`, as MetaGraphs store it.
    pub fn to_graph_def_with_shapes(&self) -> pb::GraphDef {
        let mut def = self.graph.to_graph_def();
        let nodes = (0..).map(node_id).zip(self.graph.nodes());
        for ((id, node), def) in nodes.zip(&mut def.node) {
            let n_outputs = node.n_outputs().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
            if n_outputs > 0 {
                let shapes = (0..n_outputs).map(|index| self.shape(id.output(index)).clone());
                let shapes = Attr::List(AttrList::Shape(shapes.collect()));
                def.attr.insert("_output_shapes".to_owned(), shapes.to_proto());
            }
        }
        def
    }

    /// The current name scope with a slash at its end, by which [`Scope::name_scope`] enters it again;
    /// empty at the root.
    pub fn current_name_scope(&self) -> String {
        self.names.absolute().to_owned()
    }

    /// The current variable scope.
    pub fn current_variable_scope(&self) -> &VariableScope {
        self.variable_scopes.current()
    }

    /// Makes variables of the current variable scope ones that are there already.
    pub fn reuse_variables(&mut self) {
        self.variable_scopes.current_mut().reuse = super::Reuse::Yes;
    }

    /// Makes variables resources where neither they nor their scope say, as TensorFlow 2 does.
    pub fn enable_resource_variables(&mut self) {
        self.resource_variables = true;
    }

    /// Makes variables references where neither they nor their scope say, as TensorFlow 1 did.
    pub fn disable_resource_variables(&mut self) {
        self.resource_variables = false;
    }

    /// A name like `name` in the current name scope that no node or scope has; it is taken afterwards.
    pub fn unique_name(&mut self, name: &str) -> String {
        self.names.unique(name)
    }

    /// What [`Scope::unique_name`] would give, without taking it.
    pub fn peek_unique_name(&self, name: &str) -> String {
        self.names.peek(name)
    }

    /// The seed that, with one of each op, random ops get; `None` for random numbers that differ from
    /// run to run.
    pub fn set_random_seed(&mut self, seed: Option<i64>) {
        self.seeds.set(seed);
    }

    /// Sets an attribute of a node that is there.
    ///
    /// Errors: `INVALID_ARGUMENT` for a node that does not exist.
    pub(super) fn set_attr(&mut self, id: NodeId, name: &str, attr: Attr) -> Result<(), Error> {
        let node = self.graph.nodes.get_mut(id.index()).ok_or_else(|| unknown_node(id))?;
        node.attrs = node.attrs.with(name, attr);
        Ok(())
    }

    /// Makes a node enter another frame.
    pub(crate) fn set_frame(&mut self, enter: NodeId, frame: String) -> Result<(), Error> {
        self.set_attr(enter, "frame_name", Attr::Str(frame.into_bytes().into()))
    }

    /// The groups of nodes on one device that a new node belongs to.
    pub(super) fn groups_of_new_node(&self) -> Vec<Bytes> {
        if self.placement.colocation.is_empty() {
            return self.classes.group().into_iter().collect();
        }
        let ids = self.placement.colocation.iter();
        let mut groups: Vec<Bytes> =
            ids.flat_map(|id| super::class_scopes::groups(&self.graph, *id)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The device of a new node: that of the innermost node that it is colocated with and that has
    /// one, or else the one that device scopes ask for.
    pub(super) fn device_of_new_node(&self) -> String {
        let ids = self.placement.colocation.iter().rev();
        let mut devices = ids.filter_map(|id| self.graph.get(*id)).map(|node| node.device());
        match devices.find(|device| !device.is_empty()) {
            Some(device) => device.to_owned(),
            None => self.placement.device(),
        }
    }
}

/// The error for a node that is none of the graph.
pub(super) fn unknown_node(id: NodeId) -> Error {
    Error::NoSuchElement(format!("the graph has no node #{}", id.0))
}

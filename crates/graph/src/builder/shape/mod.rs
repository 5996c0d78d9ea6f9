//! Shapes of tensors, as far as they are known before anything runs.
//!
//! The graph itself does not know what ops do to shapes: a [`ShapeProvider`] does. [`BuiltinShapes`]
//! knows the ops that the builder has methods for, and some more.

use std::fmt;
use std::sync::{Arc, LazyLock};

use flowkeep_tensor::{DType, MAX_RANK, PartialShape, Tensor};

use crate::{Error, Graph, Node, NodeId, Output};

mod array;
mod builtin;
mod context;
mod control;
mod dims;
mod elementwise;
mod folded;
mod functional;
mod gather;
mod gradients;
mod image;
mod input_values;
mod linalg;
mod list;
mod math;
mod nn;
mod parsing;
mod reshape;
mod sparse;
mod state;
mod strided_slice;
mod training;
mod values;
mod window;

pub use builtin::BuiltinShapes;
pub use context::InferenceContext;
pub use dims::Dim;
pub(crate) use folded::range as number_range;

use input_values::InputValues;

/// Who knows what ops do to shapes.
pub trait ShapeProvider: fmt::Debug + Send + Sync {
    /// Says what is known of the shapes of a node's outputs, with
    /// [`InferenceContext::set_output`]; what it does not set is unknown.
    ///
    /// Errors: a sentence, when the shapes of the inputs contradict each other or the op. The node,
    /// the shapes and the constants that were asked for are told behind it.
    fn infer(&self, cx: &mut InferenceContext<'_>) -> Result<(), String>;
}

/// What a handle refers to: a variable of this type and shape, or a list of such tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct HandleShape {
    /// The type of the variable's elements, or of the tensors'.
    pub dtype: DType,
    /// The shape of the variable, or of each tensor, as far as it is known.
    pub shape: PartialShape,
}

/// What is known of the outputs of a node.
#[derive(Clone, Debug, Default)]
struct NodeShapes {
    outputs: Vec<PartialShape>,
    /// For outputs that are handles of variables: what they refer to. Short by those that are none.
    handles: Vec<Option<HandleShape>>,
}

/// What is known of all tensors of a graph.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    provider: Arc<dyn ShapeProvider>,
    nodes: Vec<NodeShapes>,
}

static UNKNOWN: LazyLock<PartialShape> = LazyLock::new(PartialShape::unknown);

impl Shapes {
    /// What is known of a graph that is there. Contradictions are let pass: its shapes are then unknown.
    pub(super) fn of_graph(graph: &Graph, provider: Arc<dyn ShapeProvider>) -> Shapes {
        let mut shapes = Shapes { provider, nodes: Vec::with_capacity(graph.len()) };
        for (id, _) in graph.iter() {
            shapes.add(graph, id);
        }
        shapes
    }

    /// What is known of a graph that is there, where `stored` knows shapes of its own, which count more.
    pub(crate) fn of_graph_with(
        graph: &Graph,
        provider: Arc<dyn ShapeProvider>,
        stored: impl Fn(Output) -> PartialShape,
    ) -> Shapes {
        let mut shapes = Shapes { provider, nodes: Vec::with_capacity(graph.len()) };
        for (id, node) in graph.iter() {
            if shapes.infer(graph, id).is_err() {
                shapes.put(id, NodeShapes::unknown(node));
            }
            let outputs = shapes.nodes.get_mut(id.index()).map(|node| &mut node.outputs);
            for (index, inferred) in (0u32..).zip(outputs.into_iter().flatten()) {
                let own = stored(id.output(index));
                *inferred = dims::merge(&own, inferred).unwrap_or(own);
            }
        }
        shapes
    }

    /// What is known of a node whose inputs' shapes are known. A contradiction is
    /// let pass: its shapes are then unknown.
    pub(super) fn add(&mut self, graph: &Graph, id: NodeId) {
        if let Some(node) = graph.get(id)
            && self.infer(graph, id).is_err()
        {
            self.put(id, NodeShapes::unknown(node));
        }
    }

    /// Infers the shapes of a node from those of its inputs.
    ///
    /// Errors: `INVALID_ARGUMENT`, with TensorFlow's text, for a contradiction; nothing is then noted.
    pub(super) fn infer(&mut self, graph: &Graph, id: NodeId) -> Result<(), Error> {
        let Some(node) = graph.get(id) else { return Ok(()) };
        let mut values = InputValues::new(node);
        let known = loop {
            let mut cx = InferenceContext::new(graph, node, self, &values);
            if let Err(what) = self.provider.infer(&mut cx) {
                let message = format!("{what}{}", cx.describe());
                return Err(Error::Shape { node: node.name().to_owned(), message });
            }
            let (known, asked) = cx.finish();
            let found = values.find(graph, node, self, asked);
            // Values are found out when they have been asked for, and what is wrong without them is told
            // without them, as by TensorFlow.
            if !found.map_err(|message| Error::Shape { node: node.name().to_owned(), message })? {
                break known;
            }
        };
        self.put(id, known.bounded());
        Ok(())
    }

    /// Notes what is known of a node.
    fn put(&mut self, id: NodeId, known: NodeShapes) {
        if self.nodes.len() <= id.index() {
            self.nodes.resize_with(id.index() + 1, NodeShapes::default);
        }
        if let Some(place) = self.nodes.get_mut(id.index()) {
            *place = known;
        }
    }

    /// The shape of a tensor, as far as it is known.
    pub(crate) fn get(&self, tensor: Output) -> &PartialShape {
        self.output(tensor).unwrap_or(&UNKNOWN)
    }

    /// The value of a tensor, if it is known before anything runs.
    pub(super) fn value(&self, graph: &Graph, tensor: Output) -> Option<Tensor> {
        values::value(graph, self, tensor)
    }

    /// Learns from elsewhere what the shape of a tensor is.
    pub(super) fn set(&mut self, tensor: Output, shape: PartialShape) {
        if let Some(node) = self.nodes.get_mut(tensor.node.index())
            && let Some(place) =
                usize::try_from(tensor.index).ok().and_then(|index| node.outputs.get_mut(index))
        {
            *place = shape;
        }
    }

    /// Who knows what ops do.
    pub(super) fn provider(&self) -> Arc<dyn ShapeProvider> {
        self.provider.clone()
    }

    /// Learns from elsewhere what a handle refers to.
    pub(super) fn set_handle(&mut self, tensor: Output, handle: HandleShape) {
        let Ok(index) = usize::try_from(tensor.index) else { return };
        let Some(node) = self.nodes.get_mut(tensor.node.index()) else { return };
        if node.handles.len() <= index && index < node.outputs.len() {
            node.handles.resize(index + 1, None);
        }
        if let Some(place) = node.handles.get_mut(index) {
            *place = Some(handle);
        }
    }

    /// Notes outputs that a node has beside those that shapes are known of.
    pub(super) fn extend(&mut self, id: NodeId, more: &[PartialShape]) {
        if let Some(node) = self.nodes.get_mut(id.index()) {
            node.outputs.extend_from_slice(more);
        }
    }

    fn output(&self, tensor: Output) -> Option<&PartialShape> {
        let node = self.nodes.get(tensor.node.index())?;
        node.outputs.get(usize::try_from(tensor.index).ok()?)
    }

    pub(super) fn handle(&self, tensor: Output) -> Option<&HandleShape> {
        let node = self.nodes.get(tensor.node.index())?;
        node.handles.get(usize::try_from(tensor.index).ok()?)?.as_ref()
    }
}

/// What two shapes that are equal are known to be.
pub(super) fn merged(a: &PartialShape, b: &PartialShape) -> Result<PartialShape, String> {
    dims::merge(a, b)
}

impl NodeShapes {
    fn unknown(node: &Node) -> NodeShapes {
        let n_outputs = node.n_outputs().unwrap_or(0);
        NodeShapes { outputs: vec![PartialShape::unknown(); n_outputs], handles: Vec::new() }
    }

    /// Without shapes of more dimensions than a tensor can have.
    fn bounded(mut self) -> NodeShapes {
        for shape in &mut self.outputs {
            if shape.rank().is_some_and(|rank| rank > MAX_RANK) {
                *shape = PartialShape::unknown();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    #[test]
    fn values_that_double_at_each_step_are_given_up() {
        let mut scope = Scope::new();
        let mut n = scope.constant(Tensor::from_elements(vec![1i32])).unwrap();
        let mut long = n;
        for _ in 0..60 {
            n = scope.add(n, n).unwrap();
            long = scope.concat([long, long], 0).unwrap();
        }
        let zero = scope.constant(Tensor::scalar(0.0f32)).unwrap();
        for shape in [n, long] {
            let filled = scope.op("Fill").input(shape).input(zero).build_one().unwrap();
            assert!(scope.shape(filled).to_shape().is_none());
        }
    }

    #[test]
    fn ranks_beyond_those_of_tensors_are_not_kept() {
        let mut scope = Scope::new();
        let mut x = scope.placeholder(DType::F32, []).unwrap();
        for _ in 0..MAX_RANK {
            x = scope.expand_dims(x, 0).unwrap();
        }
        assert_eq!(scope.shape(x).rank(), Some(MAX_RANK));
        let deeper = scope.expand_dims(x, 0).unwrap();
        assert_eq!(scope.shape(deeper).rank(), None);
    }
}

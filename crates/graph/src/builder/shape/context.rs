use flowkeep_tensor::{PartialShape, Tensor};

use super::dims::debug;
use super::input_values::{Asked, InputValues};
use super::{HandleShape, NodeShapes, Shapes, UNKNOWN, values};
use crate::{Attrs, Graph, Node};

/// A node whose outputs' shapes are asked for.
///
/// Source: TensorFlow's class of that name.
#[derive(Debug)]
pub struct InferenceContext<'a> {
    graph: &'a Graph,
    node: &'a Node,
    shapes: &'a Shapes,
    values: &'a InputValues,
    known: NodeShapes,
    asked: Vec<Asked>,
}

impl<'a> InferenceContext<'a> {
    pub(super) fn new(
        graph: &'a Graph,
        node: &'a Node,
        shapes: &'a Shapes,
        values: &'a InputValues,
    ) -> Self {
        let known = NodeShapes::unknown(node);
        let asked = vec![Asked::default(); node.inputs().len()];
        InferenceContext { graph, node, shapes, values, known, asked }
    }

    /// The op of the node.
    pub fn op(&self) -> &'a str {
        self.node.op()
    }

    /// The node.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The attributes of the node.
    pub fn attrs(&self) -> &'a Attrs {
        self.node.attrs()
    }

    /// The number of data inputs.
    pub fn n_inputs(&self) -> usize {
        self.node.inputs().len()
    }

    /// The number of outputs; 0 for unknown ops.
    pub fn n_outputs(&self) -> usize {
        self.known.outputs.len()
    }

    /// The version of the graph's writer.
    pub fn producer(&self) -> i32 {
        self.graph.producer()
    }

    /// What is known of the shape of an input.
    pub fn input(&self, index: usize) -> &'a PartialShape {
        match self.node.inputs().get(index) {
            Some(input) => self.shapes.get(*input),
            None => &UNKNOWN,
        }
    }

    /// The value of an input, if it is known before anything runs.
    ///
    /// It is not known when it is asked for the first time: the node is then looked at once more.
    pub fn constant(&mut self, index: usize) -> Option<Tensor> {
        if let Some(asked) = self.asked.get_mut(index) {
            asked.value = true;
        }
        self.values.value(index)
    }

    /// The shape that the value of an input describes, as far as it is known: a vector of sizes in
    /// which -1 is unknown.
    ///
    /// Nothing is known when it is asked for the first time: the node is then looked at once more.
    ///
    /// Errors: an input that is no vector.
    pub fn constant_as_shape(&mut self, index: usize) -> Result<PartialShape, String> {
        if let Some(asked) = self.asked.get_mut(index) {
            asked.shape = true;
        }
        match self.values.shape(index) {
            Some(shape) => Ok(shape),
            None => values::shape_of_length(self.input(index)),
        }
    }

    /// What the handle of an input refers to, if that is known.
    pub fn handle(&self, index: usize) -> Option<&'a HandleShape> {
        self.shapes.handle(*self.node.inputs().get(index)?)
    }

    /// What was said of the shape of an output.
    pub fn output(&self, index: usize) -> &PartialShape {
        self.known.outputs.get(index).unwrap_or(&UNKNOWN)
    }

    /// Says what the shape of an output is.
    pub fn set_output(&mut self, index: usize, shape: PartialShape) {
        if let Some(place) = self.known.outputs.get_mut(index) {
            *place = shape;
        }
    }

    /// Says what the handle of an output refers to.
    pub fn set_handle(&mut self, index: usize, handle: HandleShape) {
        if self.known.handles.len() <= index {
            self.known.handles.resize(index + 1, None);
        }
        if let Some(place) = self.known.handles.get_mut(index) {
            *place = Some(handle);
        }
    }

    pub(super) fn finish(self) -> (NodeShapes, Vec<Asked>) {
        (self.known, self.asked)
    }

    /// What follows the sentence of an error.
    pub(super) fn describe(&self) -> String {
        let shapes: Vec<String> =
            (0..self.n_inputs()).map(|index| debug(self.input(index))).collect();
        format!(
            " for '{}' with input shapes: {}{}.",
            self.node_summary(),
            shapes.join(", "),
            self.values.describe()
        )
    }

    /// `{{node name}} = Op[attr=value, ...](inputs)`, without what scopes add to the node.
    fn node_summary(&self) -> String {
        let node = self.node;
        let attrs = node.attrs().iter().filter(|(name, _)| !name.starts_with('_'));
        let attrs: Vec<String> = attrs.map(|(name, attr)| format!("{name}={attr}")).collect();
        let inputs = self.graph.node_def(node).input;
        format!(
            "{{{{node {}}}}} = {}[{}]({})",
            node.name(),
            node.op(),
            attrs.join(", "),
            inputs.join(", ")
        )
    }
}

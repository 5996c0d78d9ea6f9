use flowkeep_tensor::{PartialShape, Tensor};

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
    known: NodeShapes,
    /// For each input: what was asked of its value, to be told in errors.
    asked: Vec<Asked>,
}

#[derive(Clone, Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    Value(Option<Tensor>),
    Shape(Option<PartialShape>),
}

impl<'a> InferenceContext<'a> {
    pub(super) fn new(graph: &'a Graph, node: &'a Node, shapes: &'a Shapes) -> Self {
        let known = NodeShapes::unknown(node);
        let asked = vec![Asked::Nothing; node.inputs().len()];
        InferenceContext { graph, node, shapes, known, asked }
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
    pub fn constant(&mut self, index: usize) -> Option<Tensor> {
        let input = *self.node.inputs().get(index)?;
        let value = values::value(self.graph, self.shapes, input);
        self.note(index, Asked::Value(value.clone()));
        value
    }

    /// The shape that the value of an input describes, if anything of it is known: a vector of sizes
    /// in which -1 is unknown.
    ///
    /// Errors: a value that describes no shape.
    pub fn constant_as_shape(&mut self, index: usize) -> Result<PartialShape, String> {
        let Some(input) = self.node.inputs().get(index) else { return Ok(UNKNOWN.clone()) };
        let shape = values::value_as_shape(self.graph, self.shapes, *input)?;
        self.note(index, Asked::Shape(Some(shape.clone())));
        Ok(shape)
    }

    /// What the handle of an input refers to, if that is known.
    pub fn handle(&self, index: usize) -> Option<&'a HandleShape> {
        self.shapes.handle(*self.node.inputs().get(index)?)
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

    pub(super) fn finish(self) -> NodeShapes {
        self.known
    }

    /// What follows the sentence of an error.
    pub(super) fn describe(&self) -> String {
        let list = |pieces: Vec<String>| pieces.join(", ");
        let shapes = (0..self.n_inputs()).map(|index| self.input(index).to_string()).collect();
        let mut values = Vec::new();
        let mut value_shapes = Vec::new();
        for (index, asked) in self.asked.iter().enumerate() {
            match asked {
                Asked::Value(Some(value)) => {
                    values.push(format!("input[{index}] = <{}>", summary(value)));
                }
                Asked::Shape(Some(shape)) if shape.rank().is_some() => {
                    value_shapes.push(format!("input[{index}] = {shape}"));
                }
                _ => {}
            }
        }
        let mut text =
            format!(" for '{}' with input shapes: {}", self.node_summary(), list(shapes));
        if !values.is_empty() {
            text += &format!(" and with computed input tensors: {}", list(values));
        }
        if !value_shapes.is_empty() {
            text += &format!(
                " and with input tensors computed as partial shapes: {}",
                list(value_shapes)
            );
        }
        text + "."
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

    fn note(&mut self, index: usize, asked: Asked) {
        if let Some(place) = self.asked.get_mut(index) {
            *place = asked;
        }
    }
}

/// The elements of a tensor, row by row in brackets: `1 2`, `[1 2][3 4]`.
fn summary(value: &Tensor) -> String {
    let mut rows: Vec<String> = values::to_i64(value).iter().map(ToString::to_string).collect();
    let mut separator = " ";
    for dim in value.dims().iter().skip(1).rev() {
        rows = rows.chunks((*dim).max(1)).map(|row| format!("[{}]", row.join(separator))).collect();
        separator = "";
    }
    rows.join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_row_by_row() {
        assert_eq!(summary(&Tensor::scalar(7i32)), "7");
        assert_eq!(summary(&Tensor::from_elements(vec![1i32, -2])), "1 -2");
        let matrix = Tensor::from_vec([2, 2], vec![1i32, 2, 3, 4]).unwrap();
        assert_eq!(summary(&matrix), "[1 2][3 4]");
    }
}

//! The values of a node's inputs, found out as they are asked for.

use flowkeep_tensor::{PartialShape, Tensor};

use super::dims::debug;
use super::{Shapes, values};
use crate::{Graph, Node};

/// What is known of the values of a node's inputs so far.
#[derive(Clone, Debug)]
pub(super) struct InputValues(Vec<InputValue>);

#[derive(Clone, Debug, Default)]
struct InputValue {
    /// The value, once it was asked for; `None` within if it is not known.
    value: Option<Option<Tensor>>,
    /// The shape that the value describes, once that was asked for.
    shape: Option<PartialShape>,
}

/// What is asked of an input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) value: bool,
    pub(super) shape: bool,
}

impl InputValues {
    pub(super) fn new(node: &Node) -> InputValues {
        InputValues(vec![InputValue::default(); node.inputs().len()])
    }

    pub(super) fn value(&self, index: usize) -> Option<Tensor> {
        self.0.get(index)?.value.clone().flatten()
    }

    pub(super) fn shape(&self, index: usize) -> Option<PartialShape> {
        self.0.get(index)?.shape.clone()
    }

    /// Finds out what was asked for the first time; says whether anything was.
    ///
    /// Errors: a value that describes no shape.
    pub(super) fn find(
        &mut self,
        graph: &Graph,
        node: &Node,
        shapes: &Shapes,
        asked: Vec<Asked>,
    ) -> Result<bool, String> {
        let mut is_new = false;
        for ((known, input), asked) in self.0.iter_mut().zip(node.inputs()).zip(asked) {
            if asked.value && known.value.is_none() {
                known.value = Some(values::value(graph, shapes, *input));
                is_new = true;
            }
            if asked.shape && known.shape.is_none() {
                known.shape = Some(values::value_as_shape(graph, shapes, *input)?);
                is_new = true;
            }
        }
        Ok(is_new)
    }

    /// The values that are known, as errors tell them.
    pub(super) fn describe(&self) -> String {
        let mut values = Vec::new();
        let mut shapes = Vec::new();
        for (index, known) in self.0.iter().enumerate() {
            match (&known.shape, &known.value) {
                // An empty vector is not told.
                (Some(shape), _) if shape.rank() == Some(0) => {}
                (Some(shape), _) if shape.rank().is_some() => {
                    shapes.push(format!("input[{index}] = {}", debug(shape)));
                }
                (_, Some(Some(value))) => {
                    values.push(format!("input[{index}] = <{}>", summary(value)));
                }
                _ => {}
            }
        }
        let mut text = String::new();
        if !values.is_empty() {
            text += &format!(" and with computed input tensors: {}", values.join(", "));
        }
        if !shapes.is_empty() {
            let shapes = shapes.join(",");
            text += &format!(" and with input tensors computed as partial shapes: {shapes}");
        }
        text
    }
}

/// The elements of a tensor, row by row in brackets: `1 2`, `[1 2][3 4]`.
fn summary(value: &Tensor) -> String {
    let mut rows = elements(value);
    let mut separator = " ";
    for dim in value.dims().iter().skip(1).rev() {
        rows = rows.chunks((*dim).max(1)).map(|row| format!("[{}]", row.join(separator))).collect();
        separator = "";
    }
    rows.join(separator)
}

fn elements(value: &Tensor) -> Vec<String> {
    if let Ok(values) = value.as_slice::<f32>() {
        return values.iter().map(ToString::to_string).collect();
    }
    if let Ok(values) = value.as_slice::<f64>() {
        return values.iter().map(ToString::to_string).collect();
    }
    values::to_i64(value).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_row_by_row() {
        assert_eq!(summary(&Tensor::scalar(7i32)), "7");
        assert_eq!(summary(&Tensor::scalar(-0.5f32)), "-0.5");
        assert_eq!(summary(&Tensor::from_elements(vec![1i32, -2])), "1 -2");
        let matrix = Tensor::from_vec([2, 2], vec![1i32, 2, 3, 4]).unwrap();
        assert_eq!(summary(&matrix), "[1 2][3 4]");
    }
}

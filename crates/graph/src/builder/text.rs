//! Shapes and tensors as TensorFlow's Python writes them in its sentences.

use flowkeep_tensor::PartialShape;

use super::Scope;
use crate::Output;

/// `(2, None)`, `(2,)`, `()`, or `<unknown>`.
pub(crate) fn python_shape(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "<unknown>".to_owned() };
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| dim.map_or_else(|| "None".to_owned(), |dim| dim.to_string()))
        .collect();
    match &dims[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", dims.join(", ")),
    }
}

impl Scope {
    /// `Tensor("x:0", shape=(2, None), dtype=float32)`.
    pub(crate) fn python_tensor(&self, tensor: Output) -> String {
        let dtype = self.graph.get(tensor.node).and_then(|node| node.output_dtype(tensor.index));
        format!(
            "Tensor(\"{}\", shape={}, dtype={})",
            self.graph.tensor_name(tensor),
            python_shape(self.shape(tensor)),
            dtype.map_or("unknown", |dtype| dtype.python_name())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_as_tuples() {
        for (dims, text) in
            [(vec![], "()"), (vec![Some(3)], "(3,)"), (vec![None, Some(3)], "(None, 3)")]
        {
            assert_eq!(python_shape(&PartialShape::new(dims)), text);
        }
        assert_eq!(python_shape(&PartialShape::unknown()), "<unknown>");
    }
}

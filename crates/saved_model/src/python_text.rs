//! Tensors as Python prints them, for messages that name them.

use flowkeep_graph::Output;
use flowkeep_graph::builder::Scope;
use flowkeep_tensor::PartialShape;

/// A tensor as Python prints it: `Tensor("a:0", shape=(2,), dtype=float32)`.
pub(crate) fn python_tensor(scope: &Scope, tensor: Output) -> String {
    let node = scope.graph().node(tensor.node);
    let dtype = node.output_dtype(tensor.index).map_or("?", |dtype| dtype.python_name());
    let name = scope.graph().tensor_name(tensor);
    format!("Tensor(\"{name}\", shape={}, dtype={dtype})", python_shape(scope.shape(tensor)))
}

/// A shape as Python prints it: `(None, 2)`.
pub(crate) fn python_shape(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "<unknown>".to_owned() };
    let dims: Vec<String> =
        dims.iter().map(|dim| dim.map_or("None".to_owned(), |size| size.to_string())).collect();
    match &dims[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", dims.join(", ")),
    }
}

use flowkeep_graph::Output;
use flowkeep_graph::builder::{Scope, Variable};
use flowkeep_tensor::PartialShape;

/// A tensor as Python prints it: `Tensor("a:0", shape=(2,), dtype=float32)`.
pub(super) fn python_tensor(scope: &Scope, tensor: Output) -> String {
    let node = scope.graph().node(tensor.node);
    let dtype = node.output_dtype(tensor.index).map_or("?", |dtype| dtype.python_name());
    let is_ref = matches!(node.op(), "Variable" | "VariableV2" | "AutoReloadVariable");
    let suffix = if is_ref { "_ref" } else { "" };
    let name = scope.graph().tensor_name(tensor);
    let shape = python_shape(scope.shape(tensor));
    format!("Tensor(\"{name}\", shape={shape}, dtype={dtype}{suffix})")
}

/// A variable as Python prints it: `<tf.Variable 'v:0' shape=(2,) dtype=float32>`.
pub(super) fn python_variable(scope: &Scope, variable: &Variable) -> String {
    let suffix = if variable.is_resource() { "" } else { "_ref" };
    format!(
        "<tf.Variable '{}' shape={} dtype={}{suffix}>",
        variable.name(scope.graph()),
        python_shape(variable.shape()),
        variable.dtype().python_name()
    )
}

/// A shape as Python prints it: `(2, None)`, `(2,)`, `<unknown>`.
pub(crate) fn python_shape(shape: &PartialShape) -> String {
    let Some(dims) = shape.dims() else { return "<unknown>".to_owned() };
    let dims: Vec<String> = dims
        .iter()
        .map(|dim| dim.map_or_else(|| "None".to_owned(), |size| size.to_string()))
        .collect();
    match &dims[..] {
        [only] => format!("({only},)"),
        _ => format!("({})", dims.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_printed_as_pythons() {
        for (shape, text) in [
            (PartialShape::unknown(), "<unknown>"),
            (PartialShape::new(vec![]), "()"),
            (PartialShape::new(vec![Some(2)]), "(2,)"),
            (PartialShape::new(vec![Some(2), None]), "(2, None)"),
        ] {
            assert_eq!(python_shape(&shape), text);
        }
    }
}

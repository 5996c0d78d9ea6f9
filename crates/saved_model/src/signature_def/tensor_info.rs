use flowkeep_graph::builder::Scope;
use flowkeep_graph::{Element, Encoding, Graph, Output, PortType, TensorInfo, prepend_name_scope};
use flowkeep_tensor::{DType, PartialShape};

use super::{SignatureTensor, SparseTensor, invalid};
use crate::Error;

/// How a signature describes a tensor: `tf.compat.v1.saved_model.build_tensor_info`.
///
/// The name of a resource is that of its handle, its type that of its values; a reference has the type
/// of a reference, which readers take for that of its values.
///
/// Errors: `INVALID_ARGUMENT` for tensors that are not in the graph, or of an op that is not known.
pub fn build_tensor_info(
    scope: &Scope,
    tensor: impl Into<SignatureTensor>,
) -> Result<TensorInfo, Error> {
    match tensor.into() {
        SignatureTensor::Dense(tensor) => dense(scope, tensor),
        SignatureTensor::Variable(variable) => Ok(TensorInfo {
            encoding: Encoding::Dense(variable.name(scope.graph())),
            dtype: Some(PortType { dtype: variable.dtype(), is_ref: !variable.is_resource() }),
            shape: variable.shape().clone(),
        }),
        SignatureTensor::Sparse(SparseTensor { indices, values, dense_shape }) => Ok(TensorInfo {
            encoding: Encoding::CooSparse {
                values: name(scope, values)?,
                indices: name(scope, indices)?,
                dense_shape: name(scope, dense_shape)?,
            },
            dtype: Some(port(scope, values)?),
            shape: value_as_shape(scope, dense_shape),
        }),
        SignatureTensor::Composite { type_spec, components } => {
            let components = components.into_iter().map(|component| dense(scope, component));
            Ok(TensorInfo {
                encoding: Encoding::Composite {
                    type_spec: Some(type_spec),
                    components: components.collect::<Result<_, _>>()?,
                },
                dtype: None,
                shape: PartialShape::new(Vec::new()),
            })
        }
    }
}

/// How a signature describes a node, or a tensor that it need not know the type of.
///
/// Errors: `INVALID_ARGUMENT` for what is not in the graph.
pub fn build_tensor_info_from_op(scope: &Scope, op: Element) -> Result<TensorInfo, Error> {
    let name = match op {
        Element::Output(tensor) => name(scope, tensor)?,
        Element::Node(id) => match scope.graph().get(id) {
            Some(node) => node.name().to_owned(),
            None => return Err(invalid(format!("the graph has no node #{}", id.0))),
        },
    };
    Ok(TensorInfo { encoding: Encoding::Dense(name), dtype: None, shape: PartialShape::unknown() })
}

fn dense(scope: &Scope, tensor: Output) -> Result<TensorInfo, Error> {
    Ok(TensorInfo {
        encoding: Encoding::Dense(name(scope, tensor)?),
        dtype: Some(port(scope, tensor)?),
        shape: scope.shape(tensor).clone(),
    })
}

fn name(scope: &Scope, tensor: Output) -> Result<String, Error> {
    port(scope, tensor)?;
    Ok(scope.graph().tensor_name(tensor).to_string())
}

fn port(scope: &Scope, tensor: Output) -> Result<PortType, Error> {
    let Some(node) = scope.graph().get(tensor.node) else {
        return Err(invalid(format!("the graph has no node #{}", tensor.node.0)));
    };
    let types = node.output_types().unwrap_or_default();
    let port = usize::try_from(tensor.index).ok().and_then(|index| types.get(index));
    port.copied().ok_or_else(|| {
        let name = scope.graph().tensor_name(tensor);
        invalid(format!("nothing is known of tensor '{name}' of op {}", node.op()))
    })
}

/// The shape that a tensor of sizes says, as far as it is known.
fn value_as_shape(scope: &Scope, sizes: Output) -> PartialShape {
    if let Some(value) = scope.computed_value(sizes)
        && value.dtype() == DType::I64
        && let Ok(sizes) = value.as_slice::<i64>()
    {
        return PartialShape::new(sizes.iter().map(|size| u64::try_from(*size).ok()).collect());
    }
    match scope.shape(sizes).dims() {
        // A rank beyond what any tensor has is none.
        Some([Some(rank @ 0..=254)]) => PartialShape::new((0..*rank).map(|_| None).collect()),
        _ => PartialShape::unknown(),
    }
}

/// The tensors of a graph that a signature describes: `get_tensor_from_tensor_info`. Names are those
/// under `import_scope`, if there is one.
///
/// Errors, with TensorFlow's texts: `NOT_FOUND` for tensors that are not there; `INVALID_ARGUMENT` for
/// names that are malformed, and for a description without any.
pub fn get_tensor_from_tensor_info(
    info: &TensorInfo,
    graph: &Graph,
    import_scope: Option<&str>,
) -> Result<SignatureTensor, Error> {
    let tensor = |name: &str| -> Result<Output, Error> {
        let name = import_scope.map_or(name.to_owned(), |scope| prepend_name_scope(name, scope));
        Ok(graph.get_tensor_by_name(&name)?)
    };
    match &info.encoding {
        Encoding::Dense(name) => tensor(name).map(SignatureTensor::Dense),
        Encoding::CooSparse { values, indices, dense_shape } => {
            Ok(SignatureTensor::Sparse(SparseTensor {
                indices: tensor(indices)?,
                values: tensor(values)?,
                dense_shape: tensor(dense_shape)?,
            }))
        }
        Encoding::Composite { type_spec, components } => Ok(SignatureTensor::Composite {
            type_spec: type_spec.clone().unwrap_or_default(),
            components: components
                .iter()
                .map(|component| tensor(component.name().unwrap_or_default()))
                .collect::<Result<_, _>>()?,
        }),
        Encoding::Missing => Err(invalid(
            "Invalid TensorInfo.encoding: None. Expected `coo_sparse`, `composite_tensor`, or `name` for a dense tensor.",
        )),
    }
}

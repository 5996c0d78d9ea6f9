use std::sync::Arc;

use flowkeep_tensor::{DType, Shape, Tensor};

use crate::VariantTensor;
use crate::resource::{ResourceHandle, Variable};

/// What flows along an edge of the graph.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// A tensor in host memory.
    Host(Tensor),
    /// A handle to a resource: a `DT_RESOURCE` scalar.
    Resource(ResourceHandle),
    /// A tensor whose elements are no plain ones, such as lists.
    Variant(VariantTensor),
    /// The variable itself, where an op's output is a reference. Ops whose input is no reference
    /// get its value instead.
    Ref(Arc<Variable>),
}

impl Value {
    /// The type of the value's tensor; for a reference, of the variable's.
    pub fn dtype(&self) -> DType {
        match self {
            Value::Host(tensor) => tensor.dtype(),
            Value::Resource(_) => DType::Resource,
            Value::Variant(_) => DType::Variant,
            Value::Ref(variable) => variable.dtype(),
        }
    }

    /// The shape of the value's tensor; for a reference, that of the variable's present value.
    pub fn shape(&self) -> Shape {
        match self {
            Value::Host(tensor) => tensor.shape().clone(),
            Value::Resource(_) => Shape::SCALAR,
            Value::Variant(variant) => variant.shape().clone(),
            Value::Ref(variable) => {
                variable.value().map_or(Shape::SCALAR, |value| value.shape().clone())
            }
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        Value::Host(tensor)
    }
}

impl From<ResourceHandle> for Value {
    fn from(handle: ResourceHandle) -> Value {
        Value::Resource(handle)
    }
}

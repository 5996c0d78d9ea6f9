use std::sync::Arc;

use flowkeep_tensor::{DType, PartialShape, Shape, Tensor};

use crate::Value;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::resource::{Resource, ResourceHandle};
use crate::variant::TensorList;

/// Gives a value that nobody looks at: a branch returns it in the place of what only the other one
/// has.
///
/// Shapes: `shape`, unknown dimensions as 0.  Types: `dtype` any.
/// Source: OpDef `FakeParam`.
struct FakeParam(Value);

impl OpKernel for FakeParam {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        cx.set_output(0, self.0.clone())
    }
}

pub(super) fn fake_param(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let shape = init.attr_shape("shape")?;
    Ok(Box::new(FakeParam(match init.attr_type("dtype")? {
        DType::Resource => {
            Value::Resource(ResourceHandle::private(init.node_name(), Arc::new(Nothing)))
        }
        DType::Variant => {
            TensorList::new(DType::Variant, PartialShape::unknown(), Vec::new()).into()
        }
        dtype => {
            let dim = |dim: &Option<u64>| dim.and_then(|dim| usize::try_from(dim).ok());
            let dims = shape.dims().unwrap_or(&[Some(0)]).iter();
            let dims: Vec<usize> = dims.map(|size| dim(size).unwrap_or(0)).collect();
            Value::Host(Tensor::zeros(dtype, Shape::from(dims))?)
        }
    })))
}

/// What a handle that nobody looks at leads to.
#[derive(Debug)]
struct Nothing;

impl Resource for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }
}

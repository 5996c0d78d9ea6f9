//! Variables of one run.

use std::sync::Arc;

use flowkeep_tensor::{Shape, Tensor};

use crate::Value;
use crate::kernel::{KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::resource::Variable;

/// Gives a reference to a new variable of zeros.
///
/// Shapes: the attribute `shape`.  Types: `dtype` any.  Source: OpDef `TemporaryVariable`.
pub(super) fn temporary(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("dtype")?;
    let partial = init.attr_shape("shape")?;
    let shape = partial.to_shape().ok_or_else(|| {
        Status::invalid_argument(format!("the shape {partial} of a variable is not fully defined"))
    })?;
    let name = init.node_name().to_owned();
    kernel(move |cx| {
        let variable = Variable::new_ref(name.as_str(), dtype, partial.clone());
        variable.assign(Tensor::zeros(dtype, Shape::clone(&shape))?)?;
        cx.set_output(0, Value::Ref(Arc::new(variable)))
    })
}

/// Takes the value of a variable of one run, which has none then.
///
/// Shapes: `ref [D..]` → `[D..]`.  Source: OpDef `DestroyTemporaryVariable`.
pub(super) fn destroy(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let variable = cx.variable_ref(0)?;
        let value = variable.update(Option::take).ok_or_else(|| variable.uninitialized_ref())?;
        cx.set_output(0, value)
    })
}

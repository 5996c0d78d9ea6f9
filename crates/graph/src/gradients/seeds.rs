//! The gradients of the results, with which a walk starts.

use flowkeep_tensor::DType;

use super::{Gradient, GradientOptions, IndexedSlices};
use crate::builder::Scope;
use crate::{Error, Output};

/// The gradients that were given, or ones.
pub(super) fn grad_ys(
    scope: &mut Scope,
    ys: &[Output],
    options: &GradientOptions,
) -> Result<Vec<Gradient>, Error> {
    let given = &options.grad_ys;
    if !given.is_empty() && given.len() != ys.len() {
        let (n, n_ys) = (given.len(), ys.len());
        return Err(Error::Gradient(format!("Length mismatch. Passed {n} grad_ys for {n_ys} ys")));
    }
    let mut grad_ys = Vec::with_capacity(ys.len());
    for (index, y) in ys.iter().enumerate() {
        let given = given.get(index).copied().flatten();
        grad_ys.push(match options.colocate_gradients_with_ops {
            true => grad_y(&mut *scope.colocate_with(*y)?, *y, given, index)?,
            false => grad_y(scope, *y, given, index)?,
        });
    }
    Ok(grad_ys)
}

fn grad_y(
    scope: &mut Scope,
    y: Output,
    given: Option<Gradient>,
    index: usize,
) -> Result<Gradient, Error> {
    let Some(dtype) = scope.dtype(y) else {
        let text = scope.python_tensor(y);
        return Err(Error::Gradient(format!("{text} is an output of an unknown op")));
    };
    let name = format!("grad_ys_{index}");
    let Some(given) = given else {
        if dtype.is_complex() {
            return Err(Error::Gradient(format!(
                "Gradients of complex tensors ({}) must set grad_ys (y.dtype = {})",
                scope.python_tensor(y),
                dtype.python_name()
            )));
        }
        let shape = scope.shape_of(y)?;
        return Ok(scope.ones_of(shape, dtype, &name)?.into());
    };
    scope.check_tensor(given.values())?;
    check_dtype(scope, y, dtype, given)?;
    Ok(match given {
        Gradient::Dense(output) => scope.with_op_name(&name).identity(output)?.into(),
        Gradient::Sparse(slices) => {
            let mut copy = |tensor: Output, part: &str| {
                scope.with_op_name(&format!("{name}_{part}")).identity(tensor)
            };
            let indices = copy(slices.indices, "indices")?;
            let values = copy(slices.values, "values")?;
            let dense_shape = slices.dense_shape.map(|shape| copy(shape, "shape")).transpose()?;
            IndexedSlices { values, indices, dense_shape }.into()
        }
    })
}

/// Fails for a gradient of another type than that of a tensor's gradients.
fn check_dtype(scope: &Scope, y: Output, dtype: DType, given: Gradient) -> Result<(), Error> {
    let Some(grad) = scope.dtype(given.values()) else { return Ok(()) };
    let is_real = |dtype: DType| dtype.is_floating() || dtype.is_integer();
    let refused = |of: &str, must: &str| {
        Err(Error::Gradient(format!(
            "Gradient type {} generated for {of} tensor {} with type {} must be {must}",
            grad.python_name(),
            scope.python_tensor(y),
            dtype.python_name()
        )))
    };
    if is_real(dtype) {
        if is_real(grad) { Ok(()) } else { refused("real or integer-valued", "real or integer") }
    } else if dtype.is_complex() {
        if grad.is_complex() { Ok(()) } else { refused("complex-valued", "real") }
    } else if dtype == DType::Variant {
        if grad == DType::Variant { Ok(()) } else { refused("variant", "variant") }
    } else if dtype == DType::Resource {
        match grad {
            DType::Resource => Err(Error::Gradient(format!(
                "Input gradient {} for resource tensor {} should not be a resource",
                scope.python_tensor(given.values()),
                scope.python_tensor(y)
            ))),
            _ => Ok(()),
        }
    } else {
        Err(Error::Gradient(format!(
            "Tensor {} with type {} must be numeric to obtain a default gradient",
            scope.python_tensor(y),
            dtype.python_name()
        )))
    }
}

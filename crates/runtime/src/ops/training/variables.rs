//! Several variables changed at once.

use std::sync::Arc;

use flowkeep_tensor::Tensor;

use crate::kernel::Status;
use crate::resource::Variable;

/// Changes the values of `variables` in place, all locked; those without a value are `None`.
///
/// Locks are taken in the order of addresses, so that kernels that share variables never wait for
/// each other.
/// Errors: those of `change`; `INVALID_ARGUMENT` if one variable is given twice.
pub(super) fn update_all<const N: usize>(
    variables: &[Arc<Variable>; N],
    change: impl FnOnce(&mut [Option<Tensor>; N]) -> Result<(), Status>,
) -> Result<(), Status> {
    let mut order: [usize; N] = std::array::from_fn(|idx| idx);
    let address = |idx: usize| variables.get(idx).map(Arc::as_ptr);
    order.sort_by_key(|idx| address(*idx));
    if order.windows(2).any(|pair| address(pair[0]) == address(pair[1])) {
        return Err(Status::invalid_argument(
            "a variable and its slots must be different variables",
        ));
    }
    let mut values = [const { None }; N];
    lock(variables, &order, &mut values, change)
}

fn lock<const N: usize>(
    variables: &[Arc<Variable>; N],
    order: &[usize],
    values: &mut [Option<Tensor>; N],
    change: impl FnOnce(&mut [Option<Tensor>; N]) -> Result<(), Status>,
) -> Result<(), Status> {
    // A closure type that grows with each level would never end.
    let mut change = Some(change);
    lock_rest(variables, order, values, &mut |values| match change.take() {
        Some(change) => change(values),
        None => Ok(()),
    })
}

/// What is done to the values once all are there.
type Change<'a, const N: usize> = dyn FnMut(&mut [Option<Tensor>; N]) -> Result<(), Status> + 'a;

fn lock_rest<const N: usize>(
    variables: &[Arc<Variable>; N],
    order: &[usize],
    values: &mut [Option<Tensor>; N],
    change: &mut Change<'_, N>,
) -> Result<(), Status> {
    let Some((&first, rest)) = order.split_first() else { return change(values) };
    variables[first].update(|slot| {
        values[first] = slot.take();
        let outcome = lock_rest(variables, rest, values, change);
        *slot = values[first].take();
        outcome
    })
}

#[cfg(test)]
mod tests {
    use flowkeep_tensor::{DType, PartialShape};

    use super::*;

    fn variable(value: f32) -> Arc<Variable> {
        let variable =
            Variable::new("v", DType::F32, PartialShape::from(&flowkeep_tensor::Shape::SCALAR));
        variable.assign(Tensor::scalar(value)).unwrap();
        Arc::new(variable)
    }

    #[test]
    fn values_are_put_back_whatever_happens() {
        let variables = [variable(1.0), variable(2.0)];
        let swapped = update_all(&variables, |values| {
            values.swap(0, 1);
            Ok(())
        });
        assert_eq!(swapped, Ok(()));
        let failed = update_all(&variables, |_| Err(Status::internal("no")));
        assert_eq!(failed, Err(Status::internal("no")));
        let values = variables.map(|variable| variable.value().unwrap());
        assert_eq!(values, [Tensor::scalar(2.0f32), Tensor::scalar(1.0f32)]);
    }

    #[test]
    fn one_variable_in_two_roles_is_refused_not_waited_for() {
        let one = variable(1.0);
        assert!(update_all(&[one.clone(), one], |_| Ok(())).is_err());
    }
}

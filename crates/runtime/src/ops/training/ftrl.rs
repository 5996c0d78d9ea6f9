//! Follow the regularized leader.

use super::number::Number;
use super::rule::Rule;
use crate::kernel::{KernelInit, Status};

/// FTRL-proximal: `l1` sets variables to 0, `l2` shrinks them; `lr_power` is at most 0.
/// With `multiply_linear_by_lr` the slot `linear` is kept times the rate.
/// Source: OpDef `ApplyFtrl`.
#[derive(Clone, Copy)]
pub(super) struct Ftrl {
    form: Form,
}

impl Rule<3, 4> for Ftrl {
    const VARIABLES: [&'static str; 3] = ["var", "accum", "linear"];
    const SCALARS: [&'static str; 4] = ["lr", "l1", "l2", "lr_power"];
    const N_BEFORE: usize = 0;
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(Ftrl { form: Form::new(init)? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], variables: [F; 3], grad: F) -> [F; 3] {
        let [lr, l1, l2, lr_power] = scalars;
        let scalars = [lr, l1, l2, F::ZERO, lr_power];
        step(self.form, scalars, variables, grad)
    }
}

/// As [`Ftrl`], with gradients enlarged by `2 * l2_shrinkage * var`.  Source: OpDef `ApplyFtrlV2`.
#[derive(Clone, Copy)]
pub(super) struct FtrlV2 {
    form: Form,
}

impl Rule<3, 5> for FtrlV2 {
    const VARIABLES: [&'static str; 3] = ["var", "accum", "linear"];
    const SCALARS: [&'static str; 5] = ["lr", "l1", "l2", "l2_shrinkage", "lr_power"];
    const N_BEFORE: usize = 0;
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(FtrlV2 { form: Form::new(init)? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 5], variables: [F; 3], grad: F) -> [F; 3] {
        step(self.form, scalars, variables, grad)
    }
}

/// Which of the formulas is meant.
#[derive(Clone, Copy)]
struct Form {
    multiply_linear_by_lr: bool,
    is_sparse: bool,
}

impl Form {
    fn new(init: &KernelInit<'_>) -> Result<Form, Status> {
        let multiply_linear_by_lr = init.attr_bool("multiply_linear_by_lr")?;
        Ok(Form { multiply_linear_by_lr, is_sparse: init.op().contains("SparseApply") })
    }
}

#[inline(always)]
fn step<F: Number>(
    form: Form,
    [lr, l1, l2, l2_shrinkage, lr_power]: [F; 5],
    [var, accum, linear]: [F; 3],
    grad: F,
) -> [F; 3] {
    let new_accum = accum + grad.squared();
    let half = F::ONE / F::TWO;
    let power = |x: F| if lr_power == -half { x.sqrt() } else { x.pow(-lr_power) };
    let growth = power(new_accum) - power(accum);
    let grad = grad + F::TWO * l2_shrinkage * var;
    // All is per rate, or times it.
    let (linear, l1, quadratic) = if form.multiply_linear_by_lr {
        let linear = linear + grad * lr - growth * var;
        (linear, l1 * lr, power(new_accum) + F::TWO * l2 * lr)
    } else {
        let linear = linear + (grad - growth / lr * var);
        (linear, l1, power(new_accum) / lr + F::TWO * l2)
    };
    // A NaN vanishes from dense forms alone.
    let var = if form.is_sparse {
        let nearest = if linear > l1 {
            l1
        } else if linear < -l1 {
            -l1
        } else {
            linear
        };
        (nearest - linear) / quadratic
    } else if linear.abs() > l1 {
        (l1 * linear.sign() - linear) / quadratic
    } else {
        F::ZERO
    };
    [var, new_accum, linear]
}

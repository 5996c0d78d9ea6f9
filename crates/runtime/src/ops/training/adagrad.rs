//! Rules that divide by the size of all gradients so far.

use super::descent::proximal;
use super::number::Number;
use super::rule::Rule;
use crate::kernel::{KernelInit, Status};

/// `accum += grad * grad` (unless `update_slots` is false), `var -= lr * grad / sqrt(accum)`.
/// Source: OpDef `ApplyAdagrad`.
#[derive(Clone, Copy)]
pub(super) struct Adagrad {
    update_slots: bool,
}

impl Rule<2, 1> for Adagrad {
    const VARIABLES: [&'static str; 2] = ["var", "accum"];
    const SCALARS: [&'static str; 1] = ["lr"];
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(Adagrad { update_slots: init.attr_bool("update_slots")? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, [lr]: [F; 1], [var, accum]: [F; 2], grad: F) -> [F; 2] {
        let accum = if self.update_slots { accum + grad.squared() } else { accum };
        [var - grad * lr / accum.sqrt(), accum]
    }
}

/// As [`Adagrad`], with `epsilon` added to the root.  Source: OpDef `ApplyAdagradV2`.
#[derive(Clone, Copy)]
pub(super) struct AdagradV2 {
    update_slots: bool,
}

impl Rule<2, 2> for AdagradV2 {
    const VARIABLES: [&'static str; 2] = ["var", "accum"];
    const SCALARS: [&'static str; 2] = ["lr", "epsilon"];
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(AdagradV2 { update_slots: init.attr_bool("update_slots")? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, [lr, epsilon]: [F; 2], [var, accum]: [F; 2], grad: F) -> [F; 2] {
        let accum = if self.update_slots { accum + grad.squared() } else { accum };
        [var - grad * lr / (accum.sqrt() + epsilon), accum]
    }
}

/// Dual averaging: the variable follows from the sums of gradients alone.
/// Source: OpDef `ApplyAdagradDA`.
#[derive(Clone, Copy)]
pub(super) struct AdagradDa;

impl Rule<3, 4> for AdagradDa {
    const VARIABLES: [&'static str; 3] = ["var", "accum", "accum"];
    const SCALARS: [&'static str; 4] = ["lr", "l1", "l2", "global_step"];
    const N_BEFORE: usize = 0;
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(AdagradDa)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], [_, sum, squares]: [F; 3], grad: F) -> [F; 3] {
        let [lr, l1, l2, global_step] = scalars;
        let (sum, squares) = (sum + grad, squares + grad.squared());
        let shrunk = if l1 > F::ZERO {
            sum.sign() * (sum.abs() - l1 * global_step).or_larger(F::ZERO)
        } else {
            sum
        };
        [-lr * shrunk / (squares.sqrt() + l2 * global_step * lr), sum, squares]
    }
}

/// Adagrad, then shrinks by `l1` and `l2`.  Source: OpDef `ApplyProximalAdagrad`.
#[derive(Clone, Copy)]
pub(super) struct ProximalAdagrad;

impl Rule<2, 3> for ProximalAdagrad {
    const VARIABLES: [&'static str; 2] = ["var", "accum"];
    const SCALARS: [&'static str; 3] = ["lr", "l1", "l2"];
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(ProximalAdagrad)
    }

    #[inline(always)]
    fn step<F: Number>(&self, [lr, l1, l2]: [F; 3], [var, accum]: [F; 2], grad: F) -> [F; 2] {
        let accum = accum + grad.squared();
        let rate = lr / accum.sqrt();
        [proximal(var - grad * rate, rate, l1, l2), accum]
    }
}

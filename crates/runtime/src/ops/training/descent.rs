//! Gradient descent, with and without momentum or regularization, and its kin that look at signs.

use super::number::Number;
use super::rule::Rule;
use crate::kernel::{KernelInit, Status};

/// `var -= alpha * delta`.  Source: OpDef `ApplyGradientDescent`.
#[derive(Clone, Copy)]
pub(super) struct GradientDescent;

impl Rule<1, 1> for GradientDescent {
    const VARIABLES: [&'static str; 1] = ["var"];
    const SCALARS: [&'static str; 1] = ["alpha"];
    const GRADIENT: &'static str = "delta";

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(GradientDescent)
    }

    #[inline(always)]
    fn step<F: Number>(&self, [alpha]: [F; 1], [var]: [F; 1], delta: F) -> [F; 1] {
        [var - delta * alpha]
    }
}

/// Descends, then shrinks by `l1` and `l2`.  Source: OpDef `ApplyProximalGradientDescent`.
#[derive(Clone, Copy)]
pub(super) struct ProximalGradientDescent;

impl Rule<1, 3> for ProximalGradientDescent {
    const VARIABLES: [&'static str; 1] = ["var"];
    const SCALARS: [&'static str; 3] = ["alpha", "l1", "l2"];
    const GRADIENT: &'static str = "delta";
    const REFUSES_EMPTY_ROWS: bool = true;

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(ProximalGradientDescent)
    }

    #[inline(always)]
    fn step<F: Number>(&self, [alpha, l1, l2]: [F; 3], [var]: [F; 1], delta: F) -> [F; 1] {
        [proximal(var - delta * alpha, alpha, l1, l2)]
    }
}

/// Shrinks `var` towards 0: by `rate * l1`, and by the factor `1 + rate * l2`.
#[inline(always)]
pub(super) fn proximal<F: Number>(var: F, rate: F, l1: F, l2: F) -> F {
    let shrunk =
        if l1 > F::ZERO { var.sign() * (var.abs() - rate * l1).or_larger(F::ZERO) } else { var };
    shrunk / (F::ONE + rate * l2)
}

/// `accum = momentum * accum + grad`, `var -= lr * accum`; with `use_nesterov` the step looks ahead.
/// Source: OpDef `ApplyMomentum`.
#[derive(Clone, Copy)]
pub(super) struct Momentum {
    use_nesterov: bool,
}

impl Rule<2, 2> for Momentum {
    const VARIABLES: [&'static str; 2] = ["var", "accum"];
    const SCALARS: [&'static str; 2] = ["lr", "momentum"];
    const N_BEFORE: usize = 1;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(Momentum { use_nesterov: init.attr_bool("use_nesterov")? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, [lr, momentum]: [F; 2], [var, accum]: [F; 2], grad: F) -> [F; 2] {
        let accum = accum * momentum + grad;
        let step = if self.use_nesterov { grad * lr + accum * momentum * lr } else { accum * lr };
        [var - step, accum]
    }
}

/// `accum = momentum * accum - lr * grad`, `var += accum`; with `use_nesterov` the step looks ahead.
/// Source: OpDef `ResourceApplyKerasMomentum`.
#[derive(Clone, Copy)]
pub(super) struct KerasMomentum {
    use_nesterov: bool,
}

impl Rule<2, 2> for KerasMomentum {
    const VARIABLES: [&'static str; 2] = ["var", "accum"];
    const SCALARS: [&'static str; 2] = ["lr", "momentum"];
    const N_BEFORE: usize = 1;

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(KerasMomentum { use_nesterov: init.attr_bool("use_nesterov")? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, [lr, momentum]: [F; 2], [var, accum]: [F; 2], grad: F) -> [F; 2] {
        let accum = accum * momentum - grad * lr;
        let step = if self.use_nesterov { accum * momentum - grad * lr } else { accum };
        [var + step, accum]
    }

    fn index_error(at: usize, index: i64, n_rows: usize) -> String {
        format!("indices[{at}] = {index} is not in [0, {n_rows})")
    }
}

/// Steps are larger where gradient and momentum agree in sign.  Source: OpDef `ApplyAddSign`.
#[derive(Clone, Copy)]
pub(super) struct AddSign;

impl Rule<2, 4> for AddSign {
    const VARIABLES: [&'static str; 2] = ["var", "m"];
    const SCALARS: [&'static str; 4] = ["lr", "alpha", "sign_decay", "beta"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(AddSign)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], [var, m]: [F; 2], grad: F) -> [F; 2] {
        let [lr, alpha, sign_decay, beta] = scalars;
        let m = m * beta + grad * (F::ONE - beta);
        let agreement = grad.sign() * m.sign();
        [var - lr * (alpha + sign_decay * agreement) * grad, m]
    }
}

/// As [`AddSign`], by a power of e.  Source: OpDef `ApplyPowerSign`.
#[derive(Clone, Copy)]
pub(super) struct PowerSign;

impl Rule<2, 4> for PowerSign {
    const VARIABLES: [&'static str; 2] = ["var", "m"];
    const SCALARS: [&'static str; 4] = ["lr", "logbase", "sign_decay", "beta"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(PowerSign)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], [var, m]: [F; 2], grad: F) -> [F; 2] {
        let [lr, logbase, sign_decay, beta] = scalars;
        let m = m * beta + grad * (F::ONE - beta);
        let scale = (logbase * sign_decay * (grad.sign() * m.sign())).exp();
        [var - lr * scale * grad, m]
    }
}

//! Rules that divide by a moving average of the gradients' size: the Adam and RMSProp families.

use super::number::Number;
use super::rule::Rule;
use crate::kernel::{KernelInit, Status};

/// Adam, with `epsilon` outside the root; the powers of both betas are inputs.
/// Source: OpDef `ApplyAdam`.
#[derive(Clone, Copy)]
pub(super) struct Adam {
    use_nesterov: bool,
}

impl Rule<3, 6> for Adam {
    const VARIABLES: [&'static str; 3] = ["var", "m", "v"];
    const SCALARS: [&'static str; 6] =
        ["beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon"];

    fn new(init: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(Adam { use_nesterov: init.attr_bool("use_nesterov")? })
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 6], [var, m, v]: [F; 3], grad: F) -> [F; 3] {
        let [beta1_power, beta2_power, lr, beta1, beta2, epsilon] = scalars;
        let alpha = lr * (F::ONE - beta2_power).sqrt() / (F::ONE - beta1_power);
        let m = m + (grad - m) * (F::ONE - beta1);
        let v = v + (grad.squared() - v) * (F::ONE - beta2);
        let ahead = if self.use_nesterov { grad * (F::ONE - beta1) + beta1 * m } else { m };
        [var - ahead * alpha / (v.sqrt() + epsilon), m, v]
    }
}

/// Adam that divides by the largest `v` so far.  Source: OpDef `ResourceApplyAdamWithAmsgrad`.
#[derive(Clone, Copy)]
pub(super) struct AdamWithAmsgrad;

impl Rule<4, 6> for AdamWithAmsgrad {
    const VARIABLES: [&'static str; 4] = ["var", "m", "v", "vhat"];
    const SCALARS: [&'static str; 6] =
        ["beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(AdamWithAmsgrad)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 6], [var, m, v, vhat]: [F; 4], grad: F) -> [F; 4] {
        let [beta1_power, beta2_power, lr, beta1, beta2, epsilon] = scalars;
        let alpha = lr * (F::ONE - beta2_power).sqrt() / (F::ONE - beta1_power);
        let m = m + (grad - m) * (F::ONE - beta1);
        let v = v + (grad.squared() - v) * (F::ONE - beta2);
        let vhat = vhat.or_larger(v);
        [var - m * alpha / (vhat.sqrt() + epsilon), m, v, vhat]
    }
}

/// Adam by the maximum norm.  Source: OpDef `ApplyAdaMax`.
#[derive(Clone, Copy)]
pub(super) struct AdaMax;

impl Rule<3, 5> for AdaMax {
    const VARIABLES: [&'static str; 3] = ["var", "m", "v"];
    const SCALARS: [&'static str; 5] = ["beta1_power", "lr", "beta1", "beta2", "epsilon"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(AdaMax)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 5], [var, m, v]: [F; 3], grad: F) -> [F; 3] {
        let [beta1_power, lr, beta1, beta2, epsilon] = scalars;
        let m = m + (grad - m) * (F::ONE - beta1);
        let v = (v * beta2).or_larger(grad.abs());
        [var - lr / (F::ONE - beta1_power) * (m / (v + epsilon)), m, v]
    }
}

/// RMSProp, with `epsilon` inside the root.  Source: OpDef `ApplyRMSProp`.
#[derive(Clone, Copy)]
pub(super) struct RmsProp;

impl Rule<3, 4> for RmsProp {
    const VARIABLES: [&'static str; 3] = ["var", "ms", "mom"];
    const SCALARS: [&'static str; 4] = ["lr", "rho", "momentum", "epsilon"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(RmsProp)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], [var, ms, mom]: [F; 3], grad: F) -> [F; 3] {
        let [lr, rho, momentum, epsilon] = scalars;
        let ms = ms + (grad.squared() - ms) * (F::ONE - rho);
        let mom = mom * momentum + grad * lr / (ms + epsilon).sqrt();
        [var - mom, ms, mom]
    }
}

/// RMSProp by the variance instead of the square.  Source: OpDef `ApplyCenteredRMSProp`.
#[derive(Clone, Copy)]
pub(super) struct CenteredRmsProp;

impl Rule<4, 4> for CenteredRmsProp {
    const VARIABLES: [&'static str; 4] = ["var", "mg", "ms", "mom"];
    const SCALARS: [&'static str; 4] = ["lr", "rho", "momentum", "epsilon"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(CenteredRmsProp)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 4], [var, mg, ms, mom]: [F; 4], grad: F) -> [F; 4] {
        let [lr, rho, momentum, epsilon] = scalars;
        let ms = ms + (grad.squared() - ms) * (F::ONE - rho);
        let mg = mg + (grad - mg) * (F::ONE - rho);
        let mom = mom * momentum + grad * lr / (ms - mg.squared() + epsilon).sqrt();
        [var - mom, mg, ms, mom]
    }
}

/// Steps in the ratio of the average sizes of updates and gradients.  Source: OpDef `ApplyAdadelta`.
#[derive(Clone, Copy)]
pub(super) struct Adadelta;

impl Rule<3, 3> for Adadelta {
    const VARIABLES: [&'static str; 3] = ["var", "accum", "accum_update"];
    const SCALARS: [&'static str; 3] = ["lr", "rho", "epsilon"];

    fn new(_: &KernelInit<'_>) -> Result<Self, Status> {
        Ok(Adadelta)
    }

    #[inline(always)]
    fn step<F: Number>(&self, scalars: [F; 3], variables: [F; 3], grad: F) -> [F; 3] {
        let ([lr, rho, epsilon], [var, accum, accum_update]) = (scalars, variables);
        let accum = accum * rho + grad.squared() * (F::ONE - rho);
        let update = (accum_update + epsilon).sqrt() / (accum + epsilon).sqrt() * grad;
        let accum_update = accum_update * rho + update.squared() * (F::ONE - rho);
        [var - update * lr, accum, accum_update]
    }
}

//! The gradient of `BatchNormWithGlobalNormalization`, which graphs before version 9 have.

use std::marker::PhantomData;

use flowkeep_linalg::{Float, Number};
use flowkeep_tensor::{Element, Tensor};

use super::real::{Real, zeros};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_float};

/// Gives the gradients of normalization by its operand and by its parameters, of which none depends on another.
///
/// Shapes: `t` and `backprop` `[N, H, W, C]`, `m`, `v`, `gamma` `[C]` → `dx` as `t`, then `dm`, `dv`, `db`, `dg`
/// `[C]`; `dg` is zero where the scale is not used.  Types: `T` floats; sums are in double precision.
/// Errors: `INVALID_ARGUMENT` for other ranks and lengths.  Source: OpDef `BatchNormWithGlobalNormalizationGrad`.
struct GlobalNormGrad<T> {
    epsilon: f64,
    scales: bool,
    dtype: PhantomData<T>,
}

pub(super) fn global_norm_grad(init: &KernelInit<'_>) -> Built {
    let (epsilon, dtype) = (init.attr_float("variance_epsilon")?.into(), init.attr_type("T")?);
    let scales = init.attr_bool("scale_after_normalization")?;
    with_float!(
        dtype,
        T => Ok(Box::new(GlobalNormGrad::<T> { epsilon, scales, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for GlobalNormGrad<T>
where
    T::Wide: Element + Into<f64>,
{
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (t, dy, pool) = (cx.input(0)?, cx.input(4)?, cx.pool());
        let ranks = [(0, "input", 4), (1, "mean", 1), (2, "var", 1), (3, "gamma", 1)];
        for (idx, name, rank) in ranks.into_iter().chain([(4, "out_backprop", 4)]) {
            let shape = cx.input(idx)?.shape();
            if shape.rank() != rank {
                let message = format!("{name} must be {rank}-dimensional{shape}");
                return Err(Status::invalid_argument(message));
            }
        }
        if dy.shape() != t.shape() {
            return Err(Status::invalid_argument(format!(
                "input and out_backprop must have the same shape, got {} and {}",
                t.shape(),
                dy.shape()
            )));
        }
        let channels = t.dims()[3];
        for (idx, name) in (1..).zip(["mean", "var", "gamma"]) {
            let shape = cx.input(idx)?.shape();
            if shape.n_elements() != channels {
                return Err(Status::invalid_argument(format!(
                    "{name} must have {channels} elements, got {shape}"
                )));
            }
        }
        let wide = |idx: usize| -> Result<Vec<f64>, Status> {
            Ok(cx.slice::<T>(idx)?.iter().map(|x| x.widen().into()).collect())
        };
        let (mean, variance, gamma) = (wide(1)?, wide(2)?, wide(3)?);
        let x = T::widen_all(pool, t.as_slice::<T>()?)?;
        let dy = T::widen_all(pool, dy.as_slice::<T>()?)?;
        let (mut sums, mut products) = (zeros::<f64>(channels)?, zeros::<f64>(channels)?);
        for (x, dy) in x.chunks(channels.max(1)).zip(dy.chunks(channels.max(1))) {
            for (c, (x, dy)) in x.iter().zip(dy).enumerate() {
                let (x, dy): (f64, f64) = ((*x).into(), (*dy).into());
                sums[c] += dy;
                products[c] += dy * (x - mean[c]);
            }
        }
        let mut out = Tensor::zeros(T::DTYPE, t.shape())?;
        let [mut dm, mut dv, mut db, mut dg] = [(); 4].map(|()| Vec::with_capacity(channels));
        let mut factors = Vec::with_capacity(channels);
        for c in 0..channels {
            let inverse = 1.0 / (variance[c] + self.epsilon).sqrt();
            let scale = if self.scales { gamma[c] } else { 1.0 };
            let factor = inverse * scale;
            factors.push(T::Wide::from_f64(factor));
            dm.push(-sums[c] * factor);
            dv.push(products[c] * -0.5 * inverse * inverse * factor);
            db.push(sums[c]);
            dg.push(if self.scales { products[c] * inverse } else { 0.0 });
        }
        if out.n_elements() > 0 {
            T::write(pool, out.make_mut::<T>()?, |dx| {
                pool.parallel_chunks(dx, channels * 64, |idx, dx| {
                    let dy = &dy[idx * channels * 64..];
                    for (i, (dx, dy)) in dx.iter_mut().zip(dy).enumerate() {
                        *dx = dy.times(factors[i % channels]);
                    }
                });
            })?;
        }
        cx.set_output(0, out)?;
        for (idx, values) in (1..).zip([dm, dv, db, dg]) {
            let narrow = |x: f64| T::narrow(T::Wide::from_f64(x));
            cx.set_output(idx, Tensor::from_elements(values.into_iter().map(narrow).collect()))?;
        }
        Ok(())
    }
}

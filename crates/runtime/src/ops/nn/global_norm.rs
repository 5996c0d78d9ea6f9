//! `BatchNormWithGlobalNormalization`, which graphs before version 9 have.

use std::marker::PhantomData;

use flowkeep_linalg::norm::{BatchNorm, batch_norm};
use flowkeep_linalg::{Float, Number};
use flowkeep_tensor::Tensor;

use super::real::Real;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{Built, product};
use crate::ops::dispatch::{no_type, with_float};

/// Normalizes each channel: `y = (t - m) / sqrt(v + variance_epsilon) * gamma + beta`, or without `gamma`.
///
/// Shapes: `t [N, H, W, C]`, `m`, `v`, `beta`, `gamma` `[C]` → as `t`.  Types: `T` floats.
/// Errors: `INVALID_ARGUMENT` for other ranks and lengths.  Source: OpDef `BatchNormWithGlobalNormalization`.
struct GlobalNorm<T> {
    epsilon: f32,
    scales: bool,
    dtype: PhantomData<T>,
}

pub(super) fn global_norm(init: &KernelInit<'_>) -> Built {
    let (epsilon, dtype) = (init.attr_float("variance_epsilon")?, init.attr_type("T")?);
    let scales = init.attr_bool("scale_after_normalization")?;
    with_float!(
        dtype,
        T => Ok(Box::new(GlobalNorm::<T> { epsilon, scales, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for GlobalNorm<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (pool, t) = (cx.pool(), cx.input(0)?);
        let error = |message: String| Err(Status::invalid_argument(message));
        let &[.., channels] = t.dims() else {
            return error(format!("input must be 4-dimensional{}", t.shape()));
        };
        if t.shape().rank() != 4 {
            return error(format!("input must be 4-dimensional{}", t.shape()));
        }
        for (idx, name) in (1..).zip(["mean", "var", "beta", "gamma"]) {
            let shape = cx.input(idx)?.shape();
            if shape.rank() != 1 {
                return error(format!("{name} must be 1-dimensional{shape}"));
            }
        }
        for (idx, name) in (1..).zip(["mean", "var", "beta", "gamma"]) {
            let shape = cx.input(idx)?.shape();
            if shape.n_elements() != channels && (self.scales || name != "gamma") {
                return error(format!("{name} must have {channels} elements, got {shape}"));
            }
        }
        let mut output = Tensor::zeros(T::DTYPE, t.shape())?;
        if output.n_elements() > 0 {
            let wide = |idx: usize| T::widen_all(pool, cx.slice::<T>(idx)?);
            let (mean, variance, offset) = (wide(1)?, wide(2)?, wide(3)?);
            let scale = match self.scales {
                true => wide(4)?,
                false => vec![T::Wide::ONE; channels].into(),
            };
            let params = BatchNorm {
                scale: &scale[..],
                offset: &offset[..],
                mean: &mean[..],
                variance: &variance[..],
                epsilon: T::Wide::from_f64(self.epsilon.into()),
            };
            let dims = [product(&t.dims()[..3]), channels, 1];
            let t = T::widen_all(pool, t.as_slice::<T>()?)?;
            T::write(pool, output.make_mut::<T>()?, |y| batch_norm(pool, &t, dims, &params, y))?;
        }
        cx.set_output(0, output)
    }
}

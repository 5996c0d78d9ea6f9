//! Pooling of volumes.

use std::marker::PhantomData;

use flowkeep_linalg::Number;
use flowkeep_tensor::Tensor;

use super::real::Real;
use super::volume::{VolumeAttrs, dims5, place, spatial, tap};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_float};

/// Elements read per task.
const TASK_ELEMENTS: usize = 32 << 10;

/// The largest, or the average, element of each window of each channel.
///
/// Shapes: `[N, D, H, W, C]` (or as `data_format` says) → `[N, P, Q, R, C]`.  Types: floats; those of 16 bits are
/// summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, windows over batch or channels, or ones larger than the volumes.
/// Source: OpDefs `MaxPool3D`, `AvgPool3D`. Padding counts neither as an element nor as a value.
struct Pool3d<T, const AVERAGE: bool> {
    attrs: VolumeAttrs,
    window: [usize; 3],
    dtype: PhantomData<T>,
}

pub(super) fn max_pool_3d(init: &KernelInit<'_>) -> Built {
    build::<false>(init)
}

pub(super) fn avg_pool_3d(init: &KernelInit<'_>) -> Built {
    build::<true>(init)
}

fn build<const AVERAGE: bool>(init: &KernelInit<'_>) -> Built {
    let (attrs, dtype) = (VolumeAttrs::new(init)?, init.attr_type("T")?);
    let window = spatial(attrs.format, "ksize", init.attr_ints("ksize")?)?;
    with_float!(
        dtype,
        T => Ok(Box::new(Pool3d::<T, AVERAGE> { attrs, window, dtype: PhantomData })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real, const AVERAGE: bool> OpKernel for Pool3d<T, AVERAGE> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let format = self.attrs.format;
        let input = cx.input(0)?;
        let Some([batch, planes, rows, cols, depth]) = dims5(format, input) else {
            return Err(Status::invalid_argument("tensor_in must be 5-dimensional"));
        };
        let axes = self.attrs.axes([planes, rows, cols], self.window)?;
        let [p, q, r] = axes.map(|axis| axis.output);
        let mut output = Tensor::zeros(T::DTYPE, [batch, p, q, r, depth])?;
        let pool = cx.pool();
        if output.n_elements() > 0 {
            let input = format.to_last::<T>(pool, input)?;
            let x = T::widen_all(pool, input.as_slice::<T>()?)?;
            let n_taps = self.window.iter().fold(depth, |n, size| n.saturating_mul(*size));
            let per_task = (TASK_ELEMENTS / n_taps).max(1);
            let one = |at: usize, y: &mut [T::Wide]| {
                let [n, o0, o1, o2] = place(at, [p, q, r]);
                let start = if AVERAGE { T::Wide::ZERO } else { T::Wide::LOWEST_FINITE };
                y.fill(start);
                let mut n_found = 0;
                // A window may be much larger than the volume.
                let taps = |axis: usize, o: usize| {
                    let axis = axes[axis];
                    (0..axis.filter.min(axis.before + axis.input))
                        .filter_map(move |k| tap(&axis, o, k))
                };
                for a in taps(0, o0) {
                    for b in taps(1, o1) {
                        for c in taps(2, o2) {
                            let at = ((n * planes + a) * rows + b) * cols + c;
                            let x = &x[at * depth..][..depth];
                            for (y, x) in y.iter_mut().zip(x) {
                                *y = match AVERAGE {
                                    true => y.plus(*x),
                                    false if *x > *y => *x,
                                    false => *y,
                                };
                            }
                            n_found += 1;
                        }
                    }
                }
                if AVERAGE {
                    y.iter_mut().for_each(|y| *y = y.over(n_found));
                }
            };
            T::write(pool, output.make_mut::<T>()?, |y| {
                pool.parallel_chunks(y, per_task * depth, |idx, y| {
                    for (i, y) in y.chunks_exact_mut(depth).enumerate() {
                        one(idx * per_task + i, y);
                    }
                });
            })?;
        }
        let output = format.of_last::<T>(pool, output)?;
        cx.set_output(0, output)
    }
}

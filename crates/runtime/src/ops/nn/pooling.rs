//! Pooling of images.

use std::marker::PhantomData;

use flowkeep_linalg::pooling::{Pool2dGeometry, avg_pool, max_pool};
use flowkeep_linalg::{Number, Pool};
use flowkeep_tensor::{DType, Element, Tensor, bf16, f16};

use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float, with_type};

/// The largest, or the average, element of each window of each channel.
///
/// Shapes: `[N, H, W, C]` (or as `data_format` says) → `[N, P, Q, C]`.  Types: floats, for `MaxPool`
/// also integers; floats of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, an empty window, or one larger than the images;
/// `UNIMPLEMENTED` for windows over batch or channels.
/// Source: OpDefs `MaxPool`, `AvgPool`. Padding counts neither as an element nor as a value; a NaN in
/// a window may vanish, as in the reference.
struct Pool2d<T, R> {
    attrs: WindowAttrs,
    window: [usize; 2],
    rule: PhantomData<(T, R)>,
}

/// What becomes of a window.
trait Rule<T>: Send + Sync {
    /// Pools NHWC images.
    fn pool(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) -> Result<(), Status>;
}

struct Max;

struct MaxWide;

struct Average;

impl<T: Number> Rule<T> for Max {
    fn pool(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) -> Result<(), Status> {
        max_pool(pool, geometry, x, y);
        Ok(())
    }
}

impl<T: Real> Rule<T> for MaxWide {
    fn pool(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) -> Result<(), Status> {
        let x = T::widen_all(pool, x)?;
        T::write(pool, y, |y| max_pool(pool, geometry, &x, y))
    }
}

impl<T: Real> Rule<T> for Average {
    fn pool(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) -> Result<(), Status> {
        let x = T::widen_all(pool, x)?;
        T::write(pool, y, |y| avg_pool(pool, geometry, &x, y))
    }
}

/// The types of max pooling.
pub(super) const MAX_POOL: &[DType] = &[
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
];

pub(super) fn max_pool_2d(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    match dtype {
        DType::F16 => build::<f16, MaxWide>(init),
        DType::BF16 => build::<bf16, MaxWide>(init),
        _ => with_type!(
            dtype,
            T in [
                F32 => f32, F64 => f64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8,
                U16 => u16,
            ] => build::<T, Max>(init),
            else Err(no_type(init, dtype))
        ),
    }
}

pub(super) fn avg_pool_2d(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let dtype = init.attr_type("T")?;
    with_float!(dtype, T => build::<T, Average>(init), else Err(no_type(init, dtype)))
}

fn build<T: Element, R: Rule<T> + 'static>(
    init: &KernelInit<'_>,
) -> Result<Box<dyn OpKernel>, Status> {
    let attrs = WindowAttrs::new(init)?;
    let &[a, b, c, d] = init.attr_ints("ksize")? else {
        return Err(Status::invalid_argument(
            "Sliding window ksize field must specify 4 dimensions",
        ));
    };
    if [a, b, c, d].iter().any(|size| *size <= 0) {
        return Err(Status::invalid_argument(format!(
            "Sliding window ksize must be positive. The specified or inferred ksize is: \
             {a},{b},{c},{d}"
        )));
    }
    let [n, h, w, channels] = attrs.format.nhwc([a, b, c, d]);
    if n != 1 {
        return Err(Status::unimplemented("Pooling is not yet supported on the batch dimension."));
    }
    if channels != 1 {
        return Err(Status::unimplemented("Non-spatial pooling is not yet supported."));
    }
    // Positive, as checked above.
    let window = [h, w].map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    Ok(Box::new(Pool2d::<T, R> { attrs, window, rule: PhantomData }))
}

impl<T: Element, R: Rule<T>> OpKernel for Pool2d<T, R> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let WindowAttrs { format, strides, padding, .. } = self.attrs;
        let images = cx.input(0)?;
        let dims = dims4(images).ok_or_else(|| {
            let rank = images.shape().rank();
            Status::invalid_argument(format!(
                "tensor_in_shape must have 2 spatial dimensions. {rank} 0"
            ))
        })?;
        let geometry = Pool2dGeometry::new(format.nhwc(dims), self.window, strides, padding)
            .map_err(misfit)?;
        let pool = cx.pool();
        let mut out = Tensor::zeros(T::DTYPE, geometry.output_shape())?;
        if out.n_elements() > 0 {
            let images = format.to_last::<T>(pool, images)?;
            R::pool(pool, &geometry, images.as_slice::<T>()?, out.make_mut::<T>()?)?;
        }
        let out = format.of_last::<T>(pool, out)?;
        cx.set_output(0, out)
    }
}

//! Pooling of images.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use flowkeep_linalg::pooling::{Pool2dGeometry, avg_pool, max_pool};
use flowkeep_linalg::pooling_winners::{MAX_TAPS, max_pool_with_winners};
use flowkeep_linalg::window::Padding;
use flowkeep_linalg::{Number, Pool};
use flowkeep_tensor::{DType, Element, bf16, f16};

use super::layout::DataFormat;
use super::real::Real;
use super::window::{dims4, misfit, padding};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::{ints, product};
use crate::ops::dispatch::{no_type, with_float, with_type};

/// The largest, or the average, element of each window of each channel.
///
/// Shapes: `[N, H, W, C]` (or as `data_format` says) → `[N, P, Q, C]`; max pooling may instead take
/// windows of channels, `[N, H, W, C / window]`.  Types: floats, for max pooling also integers;
/// floats of 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, an empty window, or one larger than the images;
/// `UNIMPLEMENTED` for windows over the batch, or over channels that they do not divide.
/// Source: OpDefs `MaxPool`, `MaxPoolV2` (sizes and strides are inputs), `AvgPool`. Padding counts
/// neither as an element nor as a value; a NaN in a window may vanish, as in the reference.
pub(super) struct Pool2d<T, R> {
    format: DataFormat,
    padding: Padding,
    /// `None`: the inputs after the first.
    window: Option<Window>,
    /// Pools and notes where the maxima are, for the second output.
    noting: Option<Noting<T>>,
    rule: PhantomData<(T, R)>,
}

type Noting<T> = fn(&Pool, &Pool2dGeometry, &[T], &mut [T], &mut [u8]);

/// Sizes and distances of windows, over batch, rows, columns, and channels.
#[derive(Clone, Copy)]
struct Window {
    size: [usize; 4],
    strides: [i64; 4],
}

/// What becomes of a window.
trait Rule<T>: Send + Sync {
    /// Whether windows may lie along the channels.
    const POOLS_CHANNELS: bool = true;

    /// Pools NHWC images.
    fn pool(pool: &Pool, geometry: &Pool2dGeometry, x: &[T], y: &mut [T]) -> Result<(), Status>;
}

pub(super) struct Max;

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
    const POOLS_CHANNELS: bool = false;

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
    let format = DataFormat::new(init)?;
    let window = match init.attr("ksize") {
        Some(_) => {
            Some(Window::new::<T, R>(format, init.attr_ints("ksize")?, init.attr_ints("strides")?)?)
        }
        None => None,
    };
    let padding = padding(init, format)?;
    Ok(Box::new(Pool2d::<T, R> { format, padding, window, noting: None, rule: PhantomData }))
}

impl Window {
    fn new<T, R: Rule<T>>(
        format: DataFormat,
        size: &[i64],
        strides: &[i64],
    ) -> Result<Window, Status> {
        let four = |list: &[i64], name: &str| {
            <[i64; 4]>::try_from(list).map(|list| format.nhwc(list)).map_err(|_| {
                Status::invalid_argument(format!(
                    "Sliding window {name} field must specify 4 dimensions"
                ))
            })
        };
        let (ksize, strides) = (four(size, "ksize")?, four(strides, "stride")?);
        if let Some(bad) = ksize.iter().find(|size| **size <= 0) {
            let sizes: Vec<_> = size.iter().map(i64::to_string).collect();
            return Err(Status::invalid_argument(match R::POOLS_CHANNELS {
                true => format!(
                    "Sliding window ksize must be positive. The specified or inferred ksize is: {}",
                    sizes.join(",")
                ),
                false => format!("ksize must be a positive int32 value, got:{bad}"),
            }));
        }
        let unimplemented = match (ksize, strides) {
            ([n, ..], [stride, ..]) if n != 1 || stride != 1 => {
                "Pooling is not yet supported on the batch dimension."
            }
            ([_, rows, cols, channels], _) if channels != 1 && (rows, cols) != (1, 1) => {
                "MaxPooling supports exactly one of pooling across depth or pooling across \
                 width/height."
            }
            ([.., channels], [.., stride]) if channels != 1 && channels != stride => {
                "Depthwise max pooling requires the depth window to equal the depth stride"
            }
            ([.., channels], _) if channels != 1 && !R::POOLS_CHANNELS => {
                "Non-spatial pooling is not yet supported. Volunteers? :)"
            }
            _ => "",
        };
        if !unimplemented.is_empty() {
            return Err(Status::unimplemented(unimplemented));
        }
        // Positive, as checked above.
        let size = ksize.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Window { size, strides })
    }

    /// The sizes of pooling NHWC images, and the shape of the result.
    fn geometry(
        &self,
        images: [usize; 4],
        padding: Padding,
    ) -> Result<(Pool2dGeometry, [usize; 4]), Status> {
        let [n, h, w, channels] = images;
        let [_, rows, cols, depth] = self.size;
        if depth == 1 {
            let stride = |stride: i64| {
                usize::try_from(stride).map_err(|_| {
                    Status::invalid_argument(format!("Stride must be > 0, but got {stride}"))
                })
            };
            let strides = [stride(self.strides[1])?, stride(self.strides[2])?];
            let geometry =
                Pool2dGeometry::new(images, [rows, cols], strides, padding).map_err(misfit)?;
            return Ok((geometry, geometry.output_shape()));
        }
        if !channels.is_multiple_of(depth) {
            return Err(Status::unimplemented(
                "Depthwise max pooling requires the depth window to evenly divide the input depth",
            ));
        }
        // Each window becomes an image of one row; without an element there is no image.
        let n_windows = product(&[n, h, w, channels / depth]);
        let geometry =
            Pool2dGeometry::new([n_windows, 1, depth, 1], [1, depth], [1, 1], Padding::Valid);
        Ok((geometry.map_err(misfit)?, [n, h, w, channels / depth]))
    }
}

impl<T: Number + Element> Pool2d<T, Max> {
    /// The kernel that notes where the maxima are, for windows that move so.
    pub(super) fn noting(
        &self,
        format: DataFormat,
        padding: Padding,
        size: [usize; 2],
        strides: [usize; 2],
    ) -> Option<Arc<dyn OpKernel>> {
        let window = self.window?;
        let expected = [1, size[0], size[1], 1];
        let moves_so =
            window.strides.map(usize::try_from) == [1, strides[0], strides[1], 1].map(Ok);
        let is_same = self.format == format && self.padding == padding;
        let is_fit = is_same && window.size == expected && moves_so;
        (is_fit && size[0] * size[1] <= MAX_TAPS).then(|| {
            let noting: Option<Noting<T>> = Some(max_pool_with_winners::<T>);
            let window = Some(window);
            let kernel = Pool2d::<T, Max> { format, padding, window, noting, rule: PhantomData };
            Arc::new(kernel) as Arc<dyn OpKernel>
        })
    }
}

impl<T: Element, R: Rule<T> + 'static> OpKernel for Pool2d<T, R> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let format = self.format;
        let images = cx.input(0)?;
        let window = match self.window {
            Some(window) => window,
            None => Window::new::<T, R>(format, &ints(cx.input(1)?)?, &ints(cx.input(2)?)?)?,
        };
        let dims = dims4(images).ok_or_else(|| {
            let rank = images.shape().rank();
            Status::invalid_argument(format!(
                "tensor_in_shape must have 2 spatial dimensions. {rank} 0"
            ))
        })?;
        let (geometry, shape) = window.geometry(format.nhwc(dims), self.padding)?;
        let pool = cx.pool();
        let mut out = cx.allocate(T::DTYPE, shape)?;
        let n_winners = if self.noting.is_some() { out.n_elements() } else { 0 };
        let mut winners = cx.allocate(DType::U8, [n_winners])?;
        if out.n_elements() > 0 {
            let images = format.to_last::<T>(pool, images)?;
            let (x, y) = (images.as_slice::<T>()?, out.make_mut::<T>()?);
            match self.noting {
                Some(noting) => noting(pool, &geometry, x, y, winners.make_mut::<u8>()?),
                None => R::pool(pool, &geometry, x, y)?,
            }
        }
        let out = format.of_last::<T>(pool, out)?;
        if self.noting.is_some() {
            cx.set_output(1, winners)?;
        }
        cx.set_output(0, out)
    }

    fn facts(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

//! Convolutions that pad their images with mirror images, and resize them before.

use flowkeep_linalg::Pool;
use flowkeep_linalg::{Float, Number};
use flowkeep_tensor::Tensor;

use super::conv::{PackedCache, convolved};
use super::layout::DataFormat;
use super::real::Real;
use super::resize::Sizes;
use super::sampling::{Between, Sampling};
use super::window::WindowAttrs;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::array::Mirroring;
use crate::ops::dispatch::{no_type, with_float};

/// Convolves images with a border of their mirror images, resized first if the op says so.
///
/// Shapes: `input [N, H, W, C]`, `size [2]` (of `FusedResizeAndPadConv2D`), `paddings [4, 2]`, `filter [K, L, C, M]` →
/// `[N, P, Q, M]`.  Types: `T` floats; `size` and `paddings` i32.
/// Errors: `INVALID_ARGUMENT` as `ResizeBilinear`, `MirrorPad` and `Conv2D`, and for paddings of batch or channels.
/// Source: OpDefs `FusedPadConv2D`, `FusedResizeAndPadConv2D`; each image of a batch is convolved, where the reference
/// CPU kernel of 2.21 gives the first one for all.
struct FusedConv<T: Real> {
    resize: Option<Sampling>,
    mirroring: Mirroring,
    attrs: WindowAttrs,
    packed: PackedCache<T>,
}

pub(super) fn fused_conv(init: &KernelInit<'_>) -> Built {
    let resize = match init.attr("resize_align_corners") {
        Some(_) if init.attr_bool("resize_align_corners")? => Some(Sampling::Corners),
        Some(_) => Some(Sampling::Legacy),
        None => None,
    };
    let (mirroring, dtype) = (Mirroring::new(init)?, init.attr_type("T")?);
    let attrs = WindowAttrs::of_format(init, DataFormat::ChannelsLast)?;
    with_float!(
        dtype,
        T => Ok(Box::new(FusedConv::<T> { resize, mirroring, attrs, packed: PackedCache::default() })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for FusedConv<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let pool = cx.pool();
        let (images, paddings) = match self.resize {
            Some(sampling) => {
                let sizes = Sizes::new(cx)?;
                (resized::<T>(pool, cx.input(0)?, &sizes, sampling)?, cx.input(2)?)
            }
            None => (cx.input(0)?.clone(), cx.input(1)?),
        };
        let filter = cx.input(cx.n_inputs() - 1)?;
        let padded = self.mirroring.padded(&images, paddings)?;
        if (padded.dims().first(), padded.dims().last())
            != (images.dims().first(), images.dims().last())
        {
            return Err(Status::invalid_argument(
                "Fused mirror padding only support spatial padding, not batches or channels",
            ));
        }
        let depth = (images.dims().last().copied(), filter.dims().get(2).copied());
        if let (Some(depth), Some(filter_depth)) = depth
            && depth != filter_depth
        {
            return Err(Status::invalid_argument(format!(
                "input and filter must have the same depth: {depth} vs {filter_depth}"
            )));
        }
        let output = convolved(cx, &padded, filter, &self.attrs, &self.packed)?;
        cx.set_output(0, output)
    }
}

/// The images between pixels, in their own type.
fn resized<T: Real>(
    pool: &Pool,
    images: &Tensor,
    sizes: &Sizes,
    sampling: Sampling,
) -> Result<Tensor, Status> {
    let [_, height, width, channels] = sizes.images;
    let mut output = Tensor::zeros(T::DTYPE, sizes.output())?;
    let from = images.as_slice::<T>()?;
    if from.is_empty() {
        return Ok(output);
    }
    let (rows, cols) =
        (sampling.between(height, sizes.rows)?, sampling.between(width, sizes.cols)?);
    let along = |a: T::Wide, b: T::Wide, part: f32| {
        a.plus(b.minus(a).times(T::Wide::from_f64(part.into())))
    };
    pool.parallel_chunks(output.make_mut::<T>()?, sizes.cols * channels, |idx, to| {
        let (image, row) = (idx / sizes.rows, idx % sizes.rows);
        let Between { low, high, part } = rows[row];
        let line = width * channels;
        let from = &from[image * height * line..][..height * line];
        let (top, bottom) = (&from[low * line..][..line], &from[high * line..][..line]);
        for (to, col) in to.chunks_exact_mut(channels).zip(&cols) {
            for (c, to) in to.iter_mut().enumerate() {
                let (left, right) = (col.low * channels + c, col.high * channels + c);
                let above = along(top[left].widen(), top[right].widen(), col.part);
                let below = along(bottom[left].widen(), bottom[right].widen(), col.part);
                *to = T::narrow(along(above, below, part));
            }
        }
    });
    Ok(output)
}

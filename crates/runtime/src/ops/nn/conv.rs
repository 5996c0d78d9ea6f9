//! Convolution of images.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowkeep_linalg::conv::{Conv2dGeometry, PackedFilter, conv2d_packed};
use flowkeep_linalg::{Epilogue, Pool};
use flowkeep_tensor::{DType, Tensor};

use super::conv_int::IntConv2d;
use super::real::Real;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::dispatch::{no_type, with_float};

/// Convolves images with filters.
///
/// Shapes: `input [N, H, W, C]` (or as `data_format` says), `filter [K, L, C / groups, M]` →
/// `[N, P, Q, M]`; the number of groups follows from the channels.  Types: floats and i32; floats of
/// 16 bits are summed as `float`.
/// Errors: `INVALID_ARGUMENT` for another rank, channels that do not divide, or windows larger than
/// the images; `UNIMPLEMENTED` for strides or dilations of batch or channels.
/// Source: OpDef `Conv2D`; NCHW, which the reference CPU kernel refuses, as the transposed NHWC.
struct Conv2d<T: Real> {
    attrs: WindowAttrs,
    packed: PackedCache<T>,
}

pub(super) fn conv2d(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (attrs, dtype) = (WindowAttrs::new(init)?, init.attr_type("T")?);
    if dtype == DType::I32 {
        return Ok(Box::new(IntConv2d(attrs)));
    }
    with_float!(
        dtype,
        T => Ok(Box::new(Conv2d::<T> { attrs, packed: PackedCache::default() })),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> OpKernel for Conv2d<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let output = convolved(cx, cx.input(0)?, cx.input(1)?, &self.attrs, &self.packed)?;
        cx.set_output(0, output)
    }
}

/// The sizes of a convolution.
///
/// Errors: as `Conv2D`.
pub(super) fn geometry_of(
    images: &Tensor,
    filter: &Tensor,
    attrs: &WindowAttrs,
) -> Result<Conv2dGeometry, Status> {
    let WindowAttrs { format, strides, dilations, padding } = *attrs;
    let rank_error = |what: &str, tensor: &Tensor| {
        let shape = tensor.shape();
        Status::invalid_argument(format!("convolution {what} must be 4-dimensional: {shape}"))
    };
    let dims = dims4(images).ok_or_else(|| rank_error("input", images))?;
    let filter_dims = dims4(filter).ok_or_else(|| rank_error("filter", filter))?;
    Conv2dGeometry::new(format.nhwc(dims), filter_dims, strides, dilations, padding).map_err(misfit)
}

/// The images convolved with a filter whose packed form may be known.
///
/// Errors: as `Conv2D`.
pub(super) fn convolved<T: Real>(
    cx: &KernelContext<'_>,
    images: &Tensor,
    filter: &Tensor,
    attrs: &WindowAttrs,
    packed: &PackedCache<T>,
) -> Result<Tensor, Status> {
    let geometry = geometry_of(images, filter, attrs)?;
    let filter_dims = geometry.filter_shape();
    let format = attrs.format;
    let pool = cx.pool();
    let mut out = cx.allocate(T::DTYPE, geometry.output_shape())?;
    if out.n_elements() > 0 {
        let packed = packed.get(pool, filter, filter_dims, geometry.groups)?;
        let images = format.to_last::<T>(pool, images)?;
        let x = T::widen_all(pool, images.as_slice::<T>()?)?;
        T::write(pool, out.make_mut::<T>()?, |y| {
            conv2d_packed(pool, &geometry, &x, &packed, Epilogue::NONE, y);
        })?;
    }
    format.of_last::<T>(pool, out)
}

/// The packed form of a filter that comes again and again, as weights do.
///
/// It is kept from the second time on, so that a single run does not hold all weights twice.
pub(super) struct PackedCache<T: Real>(Mutex<Seen<T>>);

/// What is known of the filters so far.
enum Seen<T: Real> {
    /// The address of the last one, which may hold something else by now; 0 at first.
    Address(usize),
    Packed(Packed<T>),
}

struct Packed<T: Real> {
    /// The filter that was packed; while it is held, its memory is not used for anything else.
    filter: Tensor,
    groups: usize,
    packed: Arc<PackedFilter<T::Wide>>,
}

impl<T: Real> Default for PackedCache<T> {
    fn default() -> PackedCache<T> {
        PackedCache(Mutex::new(Seen::Address(0)))
    }
}

impl<T: Real> PackedCache<T> {
    fn get(
        &self,
        pool: &Pool,
        filter: &Tensor,
        dims: [usize; 4],
        groups: usize,
    ) -> Result<Arc<PackedFilter<T::Wide>>, Status> {
        let values = filter.as_slice::<T>()?;
        let address = values.as_ptr() as usize;
        let seen_before = match &*self.lock() {
            Seen::Packed(last)
                if std::ptr::eq(last.filter.as_slice::<T>()?, values)
                    && last.filter.shape() == filter.shape()
                    && last.groups == groups =>
            {
                return Ok(last.packed.clone());
            }
            Seen::Packed(_) => false,
            Seen::Address(last) => *last == address,
        };
        let packed = Arc::new(PackedFilter::new(pool, &T::widen_all(pool, values)?, dims, groups));
        *self.lock() = if seen_before {
            // The packed form takes the place of the mapped one.
            filter.release_memory();
            Seen::Packed(Packed { filter: filter.clone(), groups, packed: packed.clone() })
        } else {
            Seen::Address(address)
        };
        Ok(packed)
    }

    fn lock(&self) -> MutexGuard<'_, Seen<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Convolution of images.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowkeep_linalg::conv::{self, Conv2dGeometry, PackedFilter, conv2d_packed};
use flowkeep_linalg::{Activation, Epilogue, Pool};
use flowkeep_tensor::{DType, Tensor};

use super::bias;
use super::conv_int::IntConv2d;
use super::real::Real;
use super::tail::Tail;
use super::window::{WindowAttrs, dims4, misfit};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Origin, Status};
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
    tails: Tails,
}

/// What is done on the way out for nodes behind the convolution.
#[derive(Clone, Debug, Default)]
struct Tails {
    /// The convolution itself, if the node that runs is one behind it.
    origin: Option<Arc<Origin>>,
    bias: Option<Bias>,
    activation: Activation,
}

/// A bias, from the third input.
#[derive(Clone, Debug)]
struct Bias {
    /// Its node, if that is not the one that runs.
    origin: Option<Arc<Origin>>,
}

pub(super) fn conv2d(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let (attrs, dtype) = (WindowAttrs::new(init)?, init.attr_type("T")?);
    if dtype == DType::I32 {
        return Ok(Box::new(IntConv2d(attrs)));
    }
    with_float!(
        dtype,
        T => Ok(Box::new(Conv2d::<T>::new(attrs, Tails::default()))),
        else Err(no_type(init, dtype))
    )
}

impl<T: Real> Conv2d<T> {
    fn new(attrs: WindowAttrs, tails: Tails) -> Conv2d<T> {
        Conv2d { attrs, packed: PackedCache::default(), tails }
    }
}

impl<T: Real> OpKernel for Conv2d<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let Tails { origin, bias, activation } = &self.tails;
        let of_conv = |status: Status| status.of(origin.as_ref());
        let (images, filter) = (cx.input(0)?, cx.input(1)?);
        let geometry = geometry_of(images, filter, &self.attrs).map_err(of_conv)?;
        let bias = match bias {
            Some(Bias { origin }) => {
                let bias = cx.input(2)?;
                let shape = self.attrs.format.of_nhwc(geometry.output_shape()).into();
                let checked = bias::check(&shape, bias, self.attrs.format);
                checked.map_err(|status| status.of(origin.as_ref()))?;
                Some(T::widen_all(cx.pool(), bias.as_slice::<T>()?)?)
            }
            None => None,
        };
        let epilogue = Epilogue { bias: bias.as_deref(), activation: *activation };
        let convolved = convolved_with(cx, images, filter, &self.attrs, &self.packed, epilogue);
        cx.set_output(0, convolved.map_err(of_conv)?)
    }

    fn facts(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

/// The kernel of a convolution and of a node behind it.
pub(super) fn merged(
    conv: &dyn OpKernel,
    tail: &dyn OpKernel,
    origin: &Arc<Origin>,
) -> Option<Arc<dyn OpKernel>> {
    let (conv, tail) = (conv.facts()?, tail.facts()?.downcast_ref::<Tail>()?);
    // In types of 16 bits, results are rounded between the nodes.
    if let Some(conv) = conv.downcast_ref::<Conv2d<f32>>() {
        return conv.with_tail(*tail, origin);
    }
    conv.downcast_ref::<Conv2d<f64>>()?.with_tail(*tail, origin)
}

impl<T: Real> Conv2d<T> {
    fn with_tail(&self, tail: Tail, node: &Arc<Origin>) -> Option<Arc<dyn OpKernel>> {
        let Tails { origin, bias, activation } = self.tails.clone();
        if activation != Activation::None {
            return None;
        }
        let tails = match (tail, bias) {
            (Tail::Bias(format), None) if format == self.attrs.format => {
                let bias = Some(Bias { origin: None });
                Tails { origin: Some(node.clone()), bias, activation }
            }
            (Tail::Bias(_), _) => return None,
            (Tail::Relu | Tail::Relu6, bias) => {
                let activation =
                    if tail == Tail::Relu { Activation::Relu } else { Activation::Relu6 };
                match bias {
                    // The node that ran until now was that of the bias.
                    Some(_) => Tails {
                        origin,
                        bias: Some(Bias { origin: Some(node.clone()) }),
                        activation,
                    },
                    None => Tails { origin: Some(node.clone()), bias, activation },
                }
            }
        };
        Some(Arc::new(Conv2d::<T>::new(self.attrs, tails)))
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
    convolved_with(cx, images, filter, attrs, packed, Epilogue::NONE)
}

/// As [`convolved`], with something done on the way out.
fn convolved_with<T: Real>(
    cx: &KernelContext<'_>,
    images: &Tensor,
    filter: &Tensor,
    attrs: &WindowAttrs,
    packed: &PackedCache<T>,
    epilogue: Epilogue<'_, T::Wide>,
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
        let y = out.make_mut::<T>()?;
        match packed {
            Some(packed) => T::write(pool, y, |y| {
                conv2d_packed(pool, &geometry, &x, &packed, epilogue, y);
            })?,
            None => {
                let filter_values = T::widen_all(pool, filter.as_slice::<T>()?)?;
                T::write(pool, y, |y| {
                    conv::conv2d(pool, &geometry, &x, &filter_values, epilogue, y);
                })?;
                // Weights that are mapped are in memory one at a time.
                filter.release_memory();
            }
        }
    }
    format.of_last::<T>(pool, out)
}

/// The uses of a filter before its packed form is kept: making that costs a few times what it saves at a
/// use, and a process that runs a model once or twice holds few weights at once without it.
const USES_BEFORE_PACKED: u32 = 2;

/// The packed form of a filter that comes again and again, as weights do.
///
/// A filter that was packed is let go of where its memory can be had again: a mapped weight is held once.
pub(super) struct PackedCache<T: Real>(Mutex<Seen<T>>);

/// What is known of the filters so far.
enum Seen<T: Real> {
    /// The address of the last one, which may hold something else by now (0 at first), and how often it came.
    Address(usize, u32),
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
        PackedCache(Mutex::new(Seen::Address(0, 0)))
    }
}

impl<T: Real> PackedCache<T> {
    /// The packed form of a filter, if it is worth having.
    fn get(
        &self,
        pool: &Pool,
        filter: &Tensor,
        dims: [usize; 4],
        groups: usize,
    ) -> Result<Option<Arc<PackedFilter<T::Wide>>>, Status> {
        let values = filter.as_slice::<T>()?;
        let address = values.as_ptr() as usize;
        {
            let mut seen = self.lock();
            let n_uses = match &*seen {
                Seen::Packed(last)
                    if std::ptr::eq(last.filter.as_slice::<T>()?, values)
                        && last.filter.shape() == filter.shape()
                        && last.groups == groups =>
                {
                    return Ok(Some(last.packed.clone()));
                }
                Seen::Address(last, n_uses) if *last == address => *n_uses,
                Seen::Packed(_) | Seen::Address(..) => 0,
            };
            if n_uses < USES_BEFORE_PACKED {
                *seen = Seen::Address(address, n_uses + 1);
                return Ok(None);
            }
        }
        // The packed form takes the place of the mapped one, part by part.
        let done = |elements: Range<usize>| {
            filter.release_part(elements.start * size_of::<T>()..elements.end * size_of::<T>());
        };
        let wide = T::widen_all(pool, values)?;
        let packed = Arc::new(PackedFilter::new_in_parts(pool, &wide, dims, groups, done));
        filter.release_memory();
        *self.lock() =
            Seen::Packed(Packed { filter: filter.clone(), groups, packed: packed.clone() });
        Ok(Some(packed))
    }

    fn lock(&self) -> MutexGuard<'_, Seen<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

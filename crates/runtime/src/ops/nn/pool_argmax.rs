//! `MaxPoolWithArgmax`.

use std::marker::PhantomData;

use flowkeep_linalg::pooling::Pool2dGeometry;
use flowkeep_linalg::window::{Axis, Padding};
use flowkeep_tensor::{DType, Element, Tensor};

use super::layout::DataFormat;
use super::volume::tap;
use super::window::{dims4, misfit, padding};
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::ops::args::Built;
use crate::ops::dispatch::{no_type, with_real};

/// The largest element of each window of each channel, and where it is: the first of equal ones.
///
/// Shapes: `[N, H, W, C]` → `[N, P, Q, C]` twice.  Types: `T` real numbers; `Targmax` i32 or i64. The place of element
/// `(h, w, c)` is `(h * W + w) * C + c`, with the batch before `h` under `include_batch_in_index`.
/// Errors: `INVALID_ARGUMENT` for another rank, empty images, or windows larger than the images; `UNIMPLEMENTED` for
/// windows over batch or channels.  Source: OpDef `MaxPoolWithArgmax`.
struct MaxPoolWithArgmax<T> {
    window: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
    includes_batch: bool,
    place_type: DType,
    dtype: PhantomData<T>,
}

pub(super) fn max_pool_with_argmax(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    let window = sizes(init.attr_ints("ksize")?, "ksize")?;
    let strides = sizes(init.attr_ints("strides")?, "strides")?;
    let padding = padding(init, DataFormat::ChannelsLast)?;
    let includes_batch = init.attr_bool("include_batch_in_index")?;
    let place_type = init.attr_type("Targmax")?;
    with_real!(
        dtype,
        T => Ok(Box::new(MaxPoolWithArgmax::<T> {
            window, strides, padding, includes_batch, place_type, dtype: PhantomData,
        })),
        else Err(no_type(init, dtype))
    )
}

/// The rows and columns of a list over all dimensions.
fn sizes(list: &[i64], name: &str) -> Result<[usize; 2], Status> {
    let &[n, rows, cols, channels] = list else {
        return Err(Status::invalid_argument(format!(
            "Sliding window {name} field must specify 4 dimensions"
        )));
    };
    if n != 1 {
        return Err(Status::unimplemented("Pooling is not yet supported on the batch dimension."));
    }
    if channels != 1 {
        return Err(Status::unimplemented(
            "MaxPoolWithArgmax is not supported across the channels of images",
        ));
    }
    match (usize::try_from(rows), usize::try_from(cols)) {
        (Ok(rows @ 1..), Ok(cols @ 1..)) => Ok([rows, cols]),
        _ => Err(Status::invalid_argument(format!("Sliding window {name} must be positive"))),
    }
}

impl<T: Element + PartialOrd> OpKernel for MaxPoolWithArgmax<T> {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let images = cx.input(0)?;
        let Some(dims) = dims4(images) else {
            return Err(Status::invalid_argument("tensor_in must be 4-dimensional (2)"));
        };
        if images.n_elements() == 0 {
            return Err(Status::invalid_argument("tensor_in must not be empty (2)"));
        }
        let [_, height, width, channels] = dims;
        let geometry =
            Pool2dGeometry::new(dims, self.window, self.strides, self.padding).map_err(misfit)?;
        let mut output = Tensor::zeros(T::DTYPE, geometry.output_shape())?;
        let mut places = Tensor::zeros(DType::I64, geometry.output_shape())?;
        let x = images.as_slice::<T>()?;
        let (rows, cols) = (geometry.rows, geometry.cols);
        let line = cols.output.saturating_mul(channels);
        let includes_batch = self.includes_batch;
        // A window may be much larger than the image.
        let taps = |axis: Axis, o: usize| {
            (0..axis.filter.min(axis.before + axis.input)).filter_map(move |k| tap(&axis, o, k))
        };
        let (values, at) = (output.make_mut::<T>()?, places.make_mut::<i64>()?);
        cx.pool().parallel_chunks2((values, line), (at, line), |idx, values, places| {
            let (image, row) = (idx / rows.output.max(1), idx % rows.output.max(1));
            let base = image * height * width * channels;
            let found = values.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
            for (col, (values, places)) in found.enumerate() {
                let mut is_first = true;
                for a in taps(rows, row) {
                    for b in taps(cols, col) {
                        let first = (a * width + b) * channels;
                        let x = &x[base + first..][..channels];
                        for (c, x) in x.iter().enumerate() {
                            if is_first || *x > values[c] {
                                values[c] = *x;
                                let batch = if includes_batch { base } else { 0 };
                                places[c] = (batch + first + c) as i64;
                            }
                        }
                        is_first = false;
                    }
                }
            }
        });
        if self.place_type == DType::I32 {
            let narrow = places.as_slice::<i64>()?.iter().map(|place| *place as i32).collect();
            places = Tensor::from_vec(geometry.output_shape(), narrow)?;
        }
        cx.set_output(0, output)?;
        cx.set_output(1, places)
    }
}

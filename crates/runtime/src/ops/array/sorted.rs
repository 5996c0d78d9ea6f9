//! Ops on lists: differences, places in sorted rows, histograms.

use flowkeep_tensor::{DType, Element, Tensor};

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::arith::{Arith, Ordered};
use crate::ops::dispatch::{no_type, with_real, with_type};

/// The elements of `x` that are not in `y`, in their order and as often as they occur, and where they are.
///
/// Shapes: `x [n]`, `y [m]` → `out [k]`, `idx [k]`.  Types: `T` real numbers and strings; `out_idx` i32 or i64.
/// NaN is never in `y`.
/// Errors: `INVALID_ARGUMENT` for another rank.  Source: OpDef `ListDiff`.
pub(super) fn list_diff(init: &KernelInit<'_>) -> Built {
    let (dtype, idx_type) = (init.attr_type("T")?, init.attr_type("out_idx")?);
    if dtype == DType::String {
        return kernel(move |cx| {
            check_vectors(cx)?;
            let (x, y) = (cx.input(0)?.as_strings()?, cx.input(1)?.as_strings()?);
            let others: std::collections::HashSet<_> = y.iter().collect();
            let kept = |i: &usize| !others.contains(&x[*i]);
            let places: Vec<usize> = (0..x.len()).filter(kept).collect();
            let values = places.iter().map(|place| x[*place].clone()).collect();
            let out = Tensor::from_strings([places.len()], values)?;
            let idx = args::dims_tensor(&places, idx_type)?;
            cx.set_output(0, out)?;
            cx.set_output(1, idx)
        });
    }
    with_real!(
        dtype,
        T => kernel(move |cx| {
            check_vectors(cx)?;
            let (x, mut y) = (cx.slice::<T>(0)?, cx.slice::<T>(1)?.to_vec());
            // Only NaN is not equal to itself; what is left has an order.
            #[expect(clippy::eq_op, reason = "tells NaN apart")]
            y.retain(|y| y == y);
            let order = |a: &T, b: &T| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Less);
            y.sort_unstable_by(order);
            let kept = |i: &usize| y.binary_search_by(|y| order(y, &x[*i])).is_err();
            let places: Vec<usize> = (0..x.len()).filter(kept).collect();
            let out = Tensor::from_elements(places.iter().map(|place| x[*place]).collect());
            let idx = args::dims_tensor(&places, idx_type)?;
            cx.set_output(0, out)?;
            cx.set_output(1, idx)
        }),
        else Err(no_type(init, dtype))
    )
}

fn check_vectors(cx: &KernelContext<'_>) -> Result<(), Status> {
    for (idx, name) in ["x", "y"].into_iter().enumerate() {
        if cx.input(idx)?.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!("{name} should be a 1D vector.")));
        }
    }
    Ok(())
}

/// Where values belong in sorted rows: before all equal elements.
///
/// Shapes: `sorted_inputs [B, n]`, `values [B, m]` → `[B, m]`.  Types: `T` real numbers; `out_type` i32 or
/// i64.
/// Errors: `INVALID_ARGUMENT` for another rank or another number of rows.  Source: OpDef `LowerBound`.
pub(super) fn lower_bound(init: &KernelInit<'_>) -> Built {
    bound(init, true)
}

/// As [`lower_bound`], behind all equal elements.  Source: OpDef `UpperBound`.
pub(super) fn upper_bound(init: &KernelInit<'_>) -> Built {
    bound(init, false)
}

fn bound(init: &KernelInit<'_>, lower: bool) -> Built {
    let (dtype, out_type) = (init.attr_type("T")?, init.attr_type("out_type")?);
    with_real!(
        dtype,
        T => kernel(move |cx| {
            let (sorted, values) = (cx.input(0)?, cx.input(1)?);
            for (name, tensor) in [("sorted_inputs", sorted), ("values", values)] {
                if tensor.shape().rank() != 2 {
                    return Err(Status::invalid_argument(format!(
                        "Shape must be rank 2 but is rank {} for `{name}` argument",
                        tensor.shape().rank()
                    )));
                }
            }
            if sorted.dims()[0] != values.dims()[0] {
                let message = "Leading dim_size of both tensors must match.";
                return Err(Status::invalid_argument(message));
            }
            let (n, m, shape) = (sorted.dims()[1], values.dims()[1], values.shape());
            let (sorted, wanted) = (sorted.as_slice::<T>()?, values.as_slice::<T>()?);
            let places: Vec<usize> = wanted
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    let row = &sorted[i / m * n..][..n];
                    match lower {
                        true => row.partition_point(|x| x < value),
                        // NaN is behind everything.
                        false => row.partition_point(|x| {
                            value.partial_cmp(x) != Some(std::cmp::Ordering::Less)
                        }),
                    }
                })
                .collect();
            let output = args::dims_tensor(&places, out_type)?.reshape(shape)?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

/// A number that histograms are made of.
trait Binned: Element + Ordered {
    fn wide(self) -> f64;
}

macro_rules! binned {
    ($($t:ty)*) => {$(
        impl Binned for $t {
            fn wide(self) -> f64 {
                self as f64
            }
        }
    )*};
}

binned!(f32 f64 i32 i64);

/// Counts the values in `nbins` bins of equal width; those outside the range count for the bins at its ends.
///
/// Shapes: `values [D..]`, `value_range [2]`, `nbins []` → `[nbins]`.  Types: `T` i32, i64, float or double;
/// `dtype` i32 or i64.
/// Errors: `INVALID_ARGUMENT` for an empty range, no bins, or NaN among the values; `RESOURCE_EXHAUSTED` for
/// too many bins.  Source: OpDef `HistogramFixedWidth`.
pub(super) fn histogram_fixed_width(init: &KernelInit<'_>) -> Built {
    let (dtype, out_type) = (init.attr_type("T")?, init.attr_type("dtype")?);
    with_type!(
        dtype,
        T in [F32 => f32, F64 => f64, I32 => i32, I64 => i64] => kernel(move |cx| {
            let output = histogram::<T>(cx, out_type)?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn histogram<T: Binned + std::fmt::Display>(
    cx: &KernelContext<'_>,
    out_type: DType,
) -> Result<Tensor, Status> {
    let (values, range, n_bins) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    if range.shape().rank() != 1 || range.n_elements() != 2 {
        return error("value_range should be a vector of 2 elements.".into());
    }
    if !n_bins.shape().is_scalar() {
        return error("nbins should be a scalar.".into());
    }
    let (low, high) = match range.as_slice::<T>()? {
        &[low, high] => (low, high),
        _ => return error("value_range should be a vector of 2 elements.".into()),
    };
    // Also where one of them is NaN.
    if low.partial_cmp(&high) != Some(std::cmp::Ordering::Less) {
        return error(format!(
            "value_range should satisfy value_range[0] < value_range[1], but got '[{low}, {high}]'"
        ));
    }
    let n = args::int(n_bins, "nbins")?;
    if n <= 0 {
        return error(format!("nbins should be a positive number, but got '{n}'"));
    }
    let values = values.as_slice::<T>()?;
    #[expect(clippy::eq_op, reason = "tells NaN apart")]
    if values.iter().any(|value| value != value) {
        return error("Histogram values must not contain NaN".into());
    }
    let step = high.sub(low).wide() / n as f64;
    let bin = |value: &T| {
        let value = if *value < low { low } else { *value };
        (value.sub(low).wide() / step).min((n - 1) as f64).max(0.0) as usize
    };
    let mut output = Tensor::zeros(out_type, [n as usize])?;
    match out_type {
        DType::I64 => count(values.iter().map(bin), output.make_mut::<i64>()?),
        _ => count(values.iter().map(bin), output.make_mut::<i32>()?),
    }
    Ok(output)
}

fn count<O: Arith + From<bool>>(bins: impl Iterator<Item = usize>, counts: &mut [O]) {
    bins.for_each(|bin| counts[bin] = counts[bin].add(true.into()));
}

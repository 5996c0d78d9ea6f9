//! Ops that count, sort into buckets, or tell whether something is nearly equal or true.

use flowkeep_tensor::{DType, Element, Tensor};

use super::scalar::{Floating, Scalar};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::dispatch::{no_type, with_type};

/// How often each number below `size` occurs, or the sum of its weights; larger ones are dropped.
///
/// Shapes: `arr [D..]`, `size []`, `weights [D..]` or `[0]` → `[size]`.  Types: `T` i32, i64, float or double.
/// Errors: `INVALID_ARGUMENT` for a negative number, and weights of another size; `RESOURCE_EXHAUSTED` if `size` is
/// too large.  Source: OpDef `Bincount`.
pub(super) fn bincount(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, F32 => f32, F64 => f64] => kernel(|cx| {
            let (arr, weights) = (cx.input(0)?, cx.input(2)?);
            let size = size(cx.input(1)?)?;
            if weights.n_elements() != 0 && weights.n_elements() != arr.n_elements() {
                let message = "Input indices and weights must have the same size.";
                return Err(Status::invalid_argument(message));
            }
            let values = args::ints(arr)?;
            if values.iter().any(|value| *value < 0) {
                return Err(Status::invalid_argument("Input arr must be non-negative!"));
            }
            let mut output = Tensor::zeros(T::DTYPE, [size])?;
            count(&values, weights.as_slice::<T>()?, false, output.make_mut::<T>()?);
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

/// As [`bincount`], for a vector or for each row of a matrix; with `binary_output` whether a number occurs.
///
/// Shapes: `input [n]` or `[rows, n]`, `size []`, `weights` as `input` or `[0]` → `[size]` or `[rows, size]`.
/// Types: `Tidx` i32 or i64; `T` i32, i64, float or double.
/// Errors: `INVALID_ARGUMENT` for a negative number, another rank, and weights of another shape;
/// `RESOURCE_EXHAUSTED` if `size` is too large.  Source: OpDef `DenseBincount`.
pub(super) fn dense_bincount(init: &KernelInit<'_>) -> Built {
    let (dtype, binary) = (init.attr_type("T")?, init.attr_bool("binary_output")?);
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, F32 => f32, F64 => f64] => kernel(move |cx| {
            let output = dense::<T>(cx, binary)?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn dense<T: Scalar>(cx: &KernelContext<'_>, binary: bool) -> Result<Tensor, Status> {
    let (input, weights) = (cx.input(0)?, cx.input(2)?);
    let rank = input.shape().rank();
    if rank > 2 {
        let message = format!("Shape must be at most rank 2 but is rank {rank}");
        return Err(Status::invalid_argument(message));
    }
    let size = size(cx.input(1)?)?;
    if weights.shape() != input.shape()
        && (weights.shape().rank() != 1 || weights.n_elements() != 0)
    {
        return Err(Status::invalid_argument(format!(
            "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as \
             all weights equal to 1. Received {}",
            weights.shape()
        )));
    }
    let values = args::ints(input)?;
    if let Some(negative) = values.iter().find(|value| **value < 0) {
        return Err(Status::invalid_argument(match rank {
            2 => format!("Input 'in' must be non-negative! Negative input value found: {negative}"),
            _ => "Input arr must be non-negative!".into(),
        }));
    }
    let (shape, row) = match *input.dims() {
        [rows, n] => (vec![rows, size], n),
        _ => (vec![size], input.n_elements()),
    };
    let mut output = Tensor::zeros(T::DTYPE, shape)?;
    let weights = weights.as_slice::<T>()?;
    if size > 0 && row > 0 {
        let rows = output.make_mut::<T>()?.chunks_exact_mut(size).zip(values.chunks_exact(row));
        for (idx, (counts, values)) in rows.enumerate() {
            let weights = if weights.is_empty() { weights } else { &weights[idx * row..][..row] };
            count(values, weights, binary, counts);
        }
    }
    Ok(output)
}

/// The number of bins.
fn size(size: &Tensor) -> Result<usize, Status> {
    if !size.shape().is_scalar() {
        return Err(Status::invalid_argument(format!(
            "Shape must be rank 0 but is rank {}",
            size.shape().rank()
        )));
    }
    let size = args::int(size, "size")?;
    usize::try_from(size)
        .map_err(|_| Status::invalid_argument(format!("size ({size}) must be non-negative")))
}

/// Counts numbers that are not negative; no weights are weights of 1.
fn count<T: Scalar>(values: &[i64], weights: &[T], binary: bool, counts: &mut [T]) {
    for (i, value) in values.iter().enumerate() {
        if let Some(count) = usize::try_from(*value).ok().and_then(|value| counts.get_mut(value)) {
            let weight = weights.get(i).copied().unwrap_or(T::ONE);
            *count = if binary { T::ONE } else { count.plus(weight) };
        }
    }
}

/// The number of boundaries that are not above each element.
///
/// Shapes: `input [D..]` → `[D..]`, i32.  Types: `T` i32, i64, float or double.  NaN is above all.
/// Errors: `INVALID_ARGUMENT` if `boundaries` are not in order.  Source: OpDef `Bucketize`.
pub(super) fn bucketize(init: &KernelInit<'_>) -> Built {
    let (dtype, boundaries) = (init.attr_type("T")?, init.attr_floats("boundaries")?.to_vec());
    if !boundaries.is_sorted() {
        return Err(Status::invalid_argument("Expected sorted boundaries"));
    }
    // Integers are compared as float, as C does.
    match dtype {
        DType::F32 => bucketed::<f32>(boundaries, f64::from),
        DType::F64 => bucketed::<f64>(boundaries, |x| x),
        DType::I32 => bucketed::<i32>(boundaries, |x| (x as f32).into()),
        DType::I64 => bucketed::<i64>(boundaries, |x| (x as f32).into()),
        _ => Err(no_type(init, dtype)),
    }
}

fn bucketed<T: Element>(boundaries: Vec<f32>, wide: fn(T) -> f64) -> Built {
    kernel(move |cx| {
        let input = cx.input(0)?;
        let mut output = Tensor::zeros(DType::I32, input.shape())?;
        let buckets = output.make_mut::<i32>()?.iter_mut().zip(input.as_slice::<T>()?);
        for (bucket, x) in buckets {
            let x = wide(*x);
            let is_above = |boundary: &f32| x < f64::from(*boundary);
            // There are as many boundaries as fit an attribute.
            *bucket = boundaries.partition_point(|boundary| !is_above(boundary)) as i32;
        }
        cx.set_output(0, output)
    })
}

/// Whether elements differ by `tolerance` at most.
///
/// Shapes: `x [D..]`, `y [D..]` → `[D..]`, bool.  Types: `T` float or double.
/// Errors: `INVALID_ARGUMENT` for different shapes.  Source: OpDef `ApproximateEqual`.
pub(super) fn approximate_equal(init: &KernelInit<'_>) -> Built {
    let (dtype, tolerance) = (init.attr_type("T")?, init.attr_float("tolerance")?);
    match dtype {
        DType::F32 => near::<f32>(tolerance),
        DType::F64 => near::<f64>(tolerance.into()),
        _ => Err(no_type(init, dtype)),
    }
}

fn near<T: Floating>(tolerance: T) -> Built {
    kernel(move |cx| {
        let (x, y) = (cx.input(0)?, cx.input(1)?);
        if x.shape() != y.shape() {
            return Err(Status::invalid_argument(format!(
                "x and y must be of the same shape. x shape: {}. y shape: {}",
                x.shape(),
                y.shape()
            )));
        }
        let mut output = Tensor::zeros(DType::Bool, x.shape())?;
        let pairs = x.as_slice::<T>()?.iter().zip(y.as_slice::<T>()?);
        for (near, (&x, &y)) in output.make_mut::<bool>()?.iter_mut().zip(pairs) {
            *near = x.minus(y).magnitude() <= tolerance;
        }
        cx.set_output(0, output)
    })
}

/// Whether a tensor is true: a scalar that is not zero (a string that is not empty), or any tensor with elements.
///
/// Shapes: `input [D..]` → `[]`, bool.  Types: `T` any.
/// Errors: `INVALID_ARGUMENT` for a scalar of a type that TensorFlow does not convert.  Source: OpDef `ToBool`.
pub(super) fn to_bool(_: &KernelInit<'_>) -> Built {
    kernel(|cx| {
        let input = cx.input(0)?;
        let truth = match (input.shape().is_scalar(), input.dtype()) {
            (false, _) => input.n_elements() > 0,
            (true, DType::String) => input.as_strings()?.iter().any(|value| !value.is_empty()),
            (true, dtype) => with_type!(
                dtype,
                T in [
                    F32 => f32, F64 => f64, I8 => i8, I16 => i16, I32 => i32, I64 => i64, U8 => u8,
                    Bool => bool,
                ] => input.to_scalar::<T>()? != T::default(),
                else {
                    let message = format!("{dtype} cannot be converted to a boolean");
                    return Err(Status::invalid_argument(message));
                }
            ),
        };
        cx.set_output(0, Tensor::scalar(truth))
    })
}

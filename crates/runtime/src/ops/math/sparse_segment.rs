//! Rows that are gathered by index and combined by segment, and the way back.

use flowkeep_tensor::{Element, Shape, Tensor};

use super::scalar::Scalar;
use super::segment::ids_of;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel, product};
use crate::ops::dispatch::{no_type, with_float};

/// What the sum of a segment is divided by.
#[derive(Clone, Copy, PartialEq)]
enum Divisor {
    One,
    /// The number of its rows.
    Count,
    /// The root of that.
    Root,
}

impl Divisor {
    fn of(op: &str) -> Divisor {
        match op {
            _ if op.starts_with("SparseSegmentMean") => Divisor::Count,
            _ if op.starts_with("SparseSegmentSqrtN") => Divisor::Root,
            _ => Divisor::One,
        }
    }

    fn value(self, n: usize) -> f64 {
        match self {
            Divisor::One => 1.0,
            Divisor::Count => n as f64,
            Divisor::Root => (n as f64).sqrt(),
        }
    }
}

/// A float of any width, summed as `f64` or less.
trait Summand: Scalar {
    fn to_sum(self) -> f64;
    fn of_sum(sum: f64) -> Self;
}

macro_rules! summands {
    ($($t:ty, $widen:expr, $narrow:expr;)*) => {$(
        impl Summand for $t {
            fn to_sum(self) -> f64 {
                $widen(self)
            }
            fn of_sum(sum: f64) -> $t {
                $narrow(sum)
            }
        }
    )*};
}

summands! {
    f32, f64::from, |sum| sum as f32;
    f64, f64::from, |sum| sum;
    flowkeep_tensor::f16, f64::from, flowkeep_tensor::f16::from_f64;
    flowkeep_tensor::bf16, f64::from, flowkeep_tensor::bf16::from_f64;
}

/// Sums the rows of each segment that `indices` name, or averages them.
///
/// Shapes: `data [A, R..]`, `indices [N]`, `segment_ids [N]` → `[last id + 1, R..]`, or of
/// `num_segments` rows.  Types: floats, summed in double precision; indices and ids i32 or i64. Ids that
/// do not occur give 0.
/// Errors: `INVALID_ARGUMENT` for other shapes, ids that are negative or decrease, and indices or ids
/// out of range.
/// Source: OpDefs `SparseSegmentSum`, `SparseSegmentMean`, `SparseSegmentSqrtN` and the same
/// `WithNumSegments`.
pub(super) fn sparse_segment(init: &KernelInit<'_>) -> Built {
    let (dtype, divisor) = (init.attr_type("T")?, Divisor::of(init.op()));
    with_float!(
        dtype,
        T => kernel(move |cx| forward::<T>(cx, divisor)),
        else Err(no_type(init, dtype))
    )
}

fn forward<T: Summand>(cx: &mut KernelContext<'_>, divisor: Divisor) -> Result<(), Status> {
    let (data, indices, ids) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let error = |message: String| Err(Status::invalid_argument(message));
    if data.shape().rank() == 0 {
        return error("Shape must be at least rank 1".into());
    }
    check_vectors(indices, ids)?;
    let given = match cx.n_inputs() {
        4 => Some(number(cx.input(3)?, "num_segments")?),
        _ => None,
    };
    let ids = ids_of(&ints(ids)?)?;
    let needed = ids.last().map_or(0, |last| last.saturating_add(1));
    let n_segments = given.unwrap_or(needed);
    if needed > n_segments {
        return error("segment ids must be < num_segments".into());
    }
    let (n_rows, row_dims) = (data.dims()[0], &data.dims()[1..]);
    let row_len = product(row_dims);
    let indices = rows_of(&ints(indices)?, n_rows)?;
    let mut out = Tensor::zeros(T::DTYPE, Shape::from([&[n_segments], row_dims].concat()))?;
    let values = data.as_slice::<T>()?;
    let to = out.make_mut::<T>()?;
    if row_len > 0 && !indices.is_empty() {
        let mut sums = vec![0.0; row_len];
        let mut rows = indices.iter();
        for segment in ids.chunk_by(|a, b| a == b) {
            sums.fill(0.0);
            for row in rows.by_ref().take(segment.len()) {
                let row = &values[row * row_len..][..row_len];
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.to_sum());
            }
            let divisor = divisor.value(segment.len());
            let to = &mut to[segment[0] * row_len..][..row_len];
            to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::of_sum(sum / divisor));
        }
    }
    cx.set_output(0, out)
}

/// Gives each row the gradients of the segments that it is in.
///
/// Shapes: `grad [S, R..]`, `indices [N]`, `segment_ids [N]`, the number of rows `[]` →
/// `[rows, R..]`; the V2 forms give only the rows that occur, and which these are.
/// Types: floats, summed in double precision; indices and ids i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other shapes, and indices or ids out of range.
/// Source: OpDefs `SparseSegmentSumGrad`, `SparseSegmentMeanGrad`, `SparseSegmentSqrtNGrad` and the same
/// `V2`.
pub(super) fn sparse_segment_grad(init: &KernelInit<'_>) -> Built {
    let (dtype, divisor) = (init.attr_type("T")?, Divisor::of(init.op()));
    let only_occurring = init.op().ends_with("V2");
    with_float!(
        dtype,
        T => kernel(move |cx| backward::<T>(cx, divisor, only_occurring)),
        else Err(no_type(init, dtype))
    )
}

fn backward<T: Summand>(
    cx: &mut KernelContext<'_>,
    divisor: Divisor,
    only_occurring: bool,
) -> Result<(), Status> {
    let (gradient, indices_in, ids) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let error = |message: &str| Err(Status::invalid_argument(message));
    if gradient.shape().rank() == 0 {
        return error("Shape must be at least rank 1");
    }
    check_vectors(indices_in, ids)?;
    let n_rows = number(cx.input(3)?, "output_dim0")?;
    let (n_segments, row_dims) = (gradient.dims()[0], &gradient.dims()[1..]);
    let row_len = product(row_dims);
    let ids = ints(ids)?;
    if ids.last().is_some_and(|last| usize::try_from(*last).is_ok_and(|last| last >= n_segments)) {
        return error("Invalid number of segments");
    }
    let ids: Vec<usize> = ids
        .iter()
        .map(|id| {
            usize::try_from(*id).ok().filter(|id| *id < n_segments).ok_or_else(|| {
                Status::invalid_argument(format!("Segment id {id} out of range [0, {n_segments})."))
            })
        })
        .collect::<Result<_, _>>()?;
    let indices = ints(indices_in)?;
    let mut rows = indices
        .iter()
        .map(|index| {
            usize::try_from(*index).ok().filter(|row| *row < n_rows).ok_or_else(|| {
                Status::invalid_argument(format!("Index {index} out of range [0, {n_rows})."))
            })
        })
        .collect::<Result<Vec<usize>, _>>()?;
    let mut occurring = Vec::new();
    if only_occurring {
        occurring = rows.clone();
        occurring.sort_unstable();
        occurring.dedup();
        for row in &mut rows {
            *row = occurring.partition_point(|other| other < row);
        }
    }
    let n_out = if only_occurring { occurring.len() } else { n_rows };
    let mut counts = vec![0usize; n_segments.min(ids.iter().max().map_or(0, |max| max + 1))];
    ids.iter().for_each(|id| counts[*id] += 1);
    let mut out = Tensor::zeros(T::DTYPE, Shape::from([&[n_out], row_dims].concat()))?;
    let values = gradient.as_slice::<T>()?;
    let to = out.make_mut::<T>()?;
    if row_len > 0 && !rows.is_empty() {
        // Rows by number, so that each is summed once, in the order of the indices.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|at| rows[*at]);
        let mut sums = vec![0.0; row_len];
        for group in order.chunk_by(|a, b| rows[*a] == rows[*b]) {
            sums.fill(0.0);
            for at in group {
                let scale = 1.0 / divisor.value(counts[ids[*at]]);
                let row = &values[ids[*at] * row_len..][..row_len];
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.to_sum() * scale);
            }
            let to = &mut to[rows[group[0]] * row_len..][..row_len];
            to.iter_mut().zip(&sums).for_each(|(to, sum)| *to = T::of_sum(*sum));
        }
    }
    let occurring = match only_occurring {
        true => Some(numbers_like(indices_in, &occurring)?),
        false => None,
    };
    cx.set_output(0, out)?;
    match occurring {
        Some(occurring) => cx.set_output(1, occurring),
        None => Ok(()),
    }
}

/// A vector of these numbers, of the type of `like`, which has held them.
fn numbers_like(like: &Tensor, numbers: &[usize]) -> Result<Tensor, Status> {
    fn typed<T: Element + TryFrom<usize>>(numbers: &[usize]) -> Option<Tensor> {
        let numbers = numbers.iter().map(|number| T::try_from(*number).ok());
        Some(Tensor::from_elements(numbers.collect::<Option<Vec<T>>>()?))
    }
    let numbers = match like.dtype() {
        flowkeep_tensor::DType::I64 => typed::<i64>(numbers),
        _ => typed::<i32>(numbers),
    };
    numbers.ok_or_else(|| Status::internal("a row number does not fit its type"))
}

fn check_vectors(indices: &Tensor, ids: &Tensor) -> Result<(), Status> {
    let wrong = match (indices.shape().rank(), ids.shape().rank()) {
        (rank, _) if rank != 1 => "indices should be a vector.",
        (_, rank) if rank != 1 => "segment_ids should be a vector.",
        _ if indices.dims() != ids.dims() => "segment_ids and indices should have same size.",
        _ => return Ok(()),
    };
    Err(Status::invalid_argument(wrong))
}

/// The scalar `name`, which must not be negative.
fn number(tensor: &Tensor, name: &str) -> Result<usize, Status> {
    if !tensor.shape().is_scalar() {
        let message = format!("{name} should be a scalar, not shape {}", tensor.shape());
        return Err(Status::invalid_argument(message));
    }
    let number = args::int(tensor, name)?;
    usize::try_from(number).map_err(|_| Status::invalid_argument("segment ids must be >= 0"))
}

fn rows_of(indices: &[i64], n_rows: usize) -> Result<Vec<usize>, Status> {
    let row = |(at, index): (usize, &i64)| {
        usize::try_from(*index).ok().filter(|row| *row < n_rows).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Bad: indices[{at}] == {index} out of range [0, {n_rows})"
            ))
        })
    };
    indices.iter().enumerate().map(row).collect()
}

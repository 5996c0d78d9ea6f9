//! Rows of a tensor combined by the numbers of their segments.

use flowkeep_tensor::{Shape, Tensor};

use super::scalar::{Real, Scalar};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, index_text, ints, kernel, product};
use crate::ops::dispatch::{no_type, with_number, with_real};

/// How the elements of a segment are combined.
#[derive(Clone, Copy)]
struct Combine<T> {
    /// What a segment starts from.
    start: T,
    /// What is in the rows of sorted forms that have no segment.
    gap: T,
    f: fn(T, T) -> T,
    /// Divides by the number of rows.
    mean: Option<fn(T, usize) -> T>,
}

/// The extreme finite values of a type, which empty segments hold.
trait Extremes {
    const LOWEST: Self;
    const HIGHEST: Self;
}

macro_rules! extremes {
    ($($t:ty)*) => {$(
        impl Extremes for $t {
            const LOWEST: $t = <$t>::MIN;
            const HIGHEST: $t = <$t>::MAX;
        }
    )*};
}

extremes!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 flowkeep_tensor::f16 flowkeep_tensor::bf16);

/// The sum of each segment; the segments need no order.
///
/// Shapes: `data [I.., R..]`, `segment_ids [I..]`, `num_segments []` → `[num_segments, R..]`.
/// Types: numbers, for maximum and minimum real ones; ids and number i32 or i64. A negative id drops
/// its row; an empty segment is 0, for products 1, for a maximum the lowest finite value, for a
/// minimum the highest.
/// Errors: `INVALID_ARGUMENT` for other shapes, a negative number and ids out of range.
/// Source: OpDefs `UnsortedSegmentSum`, `UnsortedSegmentProd`, `UnsortedSegmentMax`,
/// `UnsortedSegmentMin`.
fn unsorted<T: Scalar>(cx: &mut KernelContext<'_>, combine: Combine<T>) -> Result<(), Status> {
    let (data, ids, number) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    if !number.shape().is_scalar() {
        let message = format!("num_segments should be a scalar, not shape {}", number.shape());
        return Err(Status::invalid_argument(message));
    }
    if !data.dims().starts_with(ids.dims()) {
        return Err(Status::invalid_argument(format!(
            "data.shape = {} does not start with segment_ids.shape = {}",
            data.shape(),
            ids.shape()
        )));
    }
    let number = args::int(number, "num_segments")?;
    let Ok(n_segments) = usize::try_from(number) else {
        let message = format!("Input num_segments == {number} must not be negative.");
        return Err(Status::invalid_argument(message));
    };
    let row_dims = &data.dims()[ids.shape().rank()..];
    let row_len = product(row_dims);
    let mut out = Tensor::zeros(T::DTYPE, Shape::from([&[n_segments], row_dims].concat()))?;
    let values = data.as_slice::<T>()?;
    let sums = out.make_mut::<T>()?;
    if combine.start != T::ZERO {
        sums.fill(combine.start);
    }
    for (at, id) in ints(ids)?.into_iter().enumerate() {
        if id < 0 {
            continue;
        }
        let id = usize::try_from(id).ok().filter(|id| *id < n_segments).ok_or_else(|| {
            let place = index_text(at, ids.dims());
            Status::invalid_argument(format!(
                "segment_ids{place} = {id} is out of range [0, {n_segments})"
            ))
        })?;
        let row = values.iter().skip(at.saturating_mul(row_len)).take(row_len);
        for (sum, value) in sums.iter_mut().skip(id * row_len).zip(row) {
            *sum = (combine.f)(*sum, *value);
        }
    }
    cx.set_output(0, out)
}

/// The sum of each segment of rows that follow each other.
///
/// Shapes: `data [N, R..]`, `segment_ids [N]` → `[last id + 1, R..]`.  Types: numbers, for maximum and
/// minimum real ones; ids i32 or i64. Ids that do not occur give 0, for products 1; the mean of
/// integers is truncated.
/// Errors: `INVALID_ARGUMENT` for other shapes, and for ids that are negative or decrease.
/// Source: OpDefs `SegmentSum`, `SegmentMean`, `SegmentProd`, `SegmentMax`, `SegmentMin`.
fn sorted<T: Scalar>(cx: &mut KernelContext<'_>, combine: Combine<T>) -> Result<(), Status> {
    let (data, ids) = (cx.input(0)?, cx.input(1)?);
    let error = |message: &str| Err(Status::invalid_argument(message));
    if ids.shape().rank() != 1 {
        return error("segment_ids should be a vector.");
    }
    if data.dims().first() != ids.dims().first() {
        return error("segment_ids should be the same size as dimension 0 of input.");
    }
    let ids = ids_of(&ints(ids)?)?;
    let row_dims = &data.dims()[1..];
    let row_len = product(row_dims);
    let n_segments = ids.last().map_or(0, |last| last.saturating_add(1));
    let mut out = Tensor::zeros(T::DTYPE, Shape::from([&[n_segments], row_dims].concat()))?;
    let values = data.as_slice::<T>()?;
    let sums = out.make_mut::<T>()?;
    if row_len > 0 {
        if combine.gap != T::ZERO {
            sums.fill(combine.gap);
        }
        let mut rows = values.chunks(row_len);
        for segment in ids.chunk_by(|a, b| a == b) {
            let sum = &mut sums[segment[0] * row_len..][..row_len];
            for (n, row) in rows.by_ref().take(segment.len()).enumerate() {
                for (sum, value) in sum.iter_mut().zip(row) {
                    *sum = if n == 0 { *value } else { (combine.f)(*sum, *value) };
                }
            }
            if let Some(mean) = combine.mean {
                sum.iter_mut().for_each(|sum| *sum = mean(*sum, segment.len()));
            }
        }
    }
    cx.set_output(0, out)
}

/// Sorted ids.
///
/// Errors: `INVALID_ARGUMENT` if one is negative or less than the one before.
pub(super) fn ids_of(ids: &[i64]) -> Result<Vec<usize>, Status> {
    let bound = ids.last().map_or(0, |last| last.saturating_add(1));
    if bound < 0 || bound == 0 && !ids.is_empty() {
        return Err(Status::invalid_argument("segment ids must be >= 0"));
    }
    let mut last = 0;
    let checked = ids.iter().map(|id| {
        let id = usize::try_from(*id).map_err(|_| {
            Status::invalid_argument(format!(
                "Segment id {id} out of range [0, {bound}), possibly because 'segment_ids' input is \
                 not sorted."
            ))
        })?;
        if id < last {
            return Err(Status::invalid_argument("segment ids are not increasing"));
        }
        last = id;
        Ok(id)
    });
    checked.collect()
}

/// Builders of one op for each combination.
macro_rules! builders {
    ($($name:ident, $run:ident, $with:ident, $start:expr, $gap:expr, $f:expr;)*) => {$(
        pub(super) fn $name(init: &KernelInit<'_>) -> Built {
            let dtype = init.attr_type("T")?;
            $with!(
                dtype,
                T => {
                    let combine = Combine::<T> { start: $start, gap: $gap, f: $f, mean: None };
                    kernel(move |cx| $run(cx, combine))
                },
                else Err(no_type(init, dtype))
            )
        }
    )*};
}

builders! {
    unsorted_sum, unsorted, with_number, T::ZERO, T::ZERO, T::plus;
    unsorted_prod, unsorted, with_number, T::ONE, T::ONE, T::times;
    unsorted_max, unsorted, with_real, <T as Extremes>::LOWEST, T::ZERO, |a, b| if b < a { a } else { b };
    unsorted_min, unsorted, with_real, <T as Extremes>::HIGHEST, T::ZERO, |a, b| if a < b { a } else { b };
    segment_sum, sorted, with_number, T::ZERO, T::ZERO, T::plus;
    segment_prod, sorted, with_number, T::ONE, T::ONE, T::times;
    segment_max, sorted, with_real, T::ZERO, T::ZERO, T::larger;
    segment_min, sorted, with_real, T::ZERO, T::ZERO, T::smaller;
}

pub(super) fn segment_mean(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_number!(
        dtype,
        T => {
            let mean = |sum: T, n: usize| sum.over(count(n));
            let combine = Combine { start: T::ZERO, gap: T::ZERO, f: T::plus, mean: Some(mean) };
            kernel(move |cx| sorted(cx, combine))
        },
        else Err(no_type(init, dtype))
    )
}

/// The number `n`, by doubling: what all number types have in common.
fn count<T: Scalar>(n: usize) -> T {
    let bits = (0..usize::BITS - n.leading_zeros()).rev();
    bits.fold(T::ZERO, |number, bit| {
        let twice = number.plus(number);
        if n >> bit & 1 == 1 { twice.plus(T::ONE) } else { twice }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_rows_are_made_of_ones() {
        assert_eq!([0, 1, 2, 13].map(count::<f32>), [0.0, 1.0, 2.0, 13.0]);
        assert_eq!(count::<u8>(200), 200);
    }

    #[test]
    fn sorted_ids_are_neither_negative_nor_less() {
        assert_eq!(ids_of(&[0, 0, 3]), Ok(vec![0, 0, 3]));
        assert!(ids_of(&[-1]).is_err());
        assert!(ids_of(&[1, 0]).is_err());
    }
}

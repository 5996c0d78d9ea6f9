//! Ranges side by side.

use flowkeep_tensor::{DType, Element, Tensor};

use super::splits_tensor;
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{Built, kernel};
use crate::ops::dispatch::{no_type, with_type};

/// A number that ranges go through.
trait Step: Element + PartialEq {
    /// How many steps lie between two numbers; `None` if they are more than can be counted.
    fn steps(start: Self, limit: Self, delta: Self) -> Option<i64>;
    /// The number after so many steps.
    fn at(start: Self, step: i64, delta: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl Step for $t {
            fn steps(start: $t, limit: $t, delta: $t) -> Option<i64> {
                let (start, limit, delta) =
                    (i128::from(start), i128::from(limit), i128::from(delta));
                let distance = if delta > 0 { limit - start } else { start - limit };
                if distance <= 0 {
                    return Some(0);
                }
                i64::try_from((distance + delta.abs() - 1) / delta.abs()).ok()
            }
            fn at(start: $t, step: i64, delta: $t) -> $t {
                // Cut off as the reference does it; it lies between the limits.
                start.wrapping_add((step as $t).wrapping_mul(delta))
            }
        }
    )*};
}

integers!(i32 i64);

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl Step for $t {
            fn steps(start: $t, limit: $t, delta: $t) -> Option<i64> {
                if (delta > 0.0 && limit < start) || (delta < 0.0 && limit > start) {
                    return Some(0);
                }
                let steps = f64::from(((limit - start) / delta).abs()).ceil();
                // NaN is refused as well.
                (steps < 9_223_372_036_854_775_807.0).then_some(steps as i64)
            }
            fn at(start: $t, step: i64, delta: $t) -> $t {
                start + step as $t * delta
            }
        }
    )*};
}

floats!(f32 f64);

/// The ranges from starts to limits, as the rows of a ragged tensor.
///
/// Shapes: `starts`, `limits` and `deltas`, `[n]` or `[]` for the same in all rows → row splits `[n + 1]`, values.
/// Types: `T` i32, i64, f32 or f64; row splits i32 or i64.
/// Errors: `INVALID_ARGUMENT` for other ranks, lengths that differ, a delta of 0 and ranges that are too long;
/// `RESOURCE_EXHAUSTED` for more numbers than there is memory for.  Source: OpDef `RaggedRange`.
pub(super) fn ragged_range(init: &KernelInit<'_>) -> Built {
    let (dtype, splits) = (init.attr_type("T")?, init.attr_type("Tsplits")?);
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, F32 => f32, F64 => f64] => kernel(move |cx| {
            let most = if splits == DType::I32 { i32::MAX as usize } else { usize::MAX };
            let (ends, values) = ranges::<T>(cx, most)?;
            cx.set_output(0, splits_tensor(ends, splits)?)?;
            cx.set_output(1, Tensor::from_elements(values))
        }),
        else Err(no_type(init, dtype))
    )
}

/// Where the rows end, and their values, of which there may be `most`.
fn ranges<T: Step>(cx: &KernelContext<'_>, most: usize) -> Result<(Vec<i64>, Vec<T>), Status> {
    let zero = Tensor::zeros(T::DTYPE, [])?.to_scalar::<T>()?;
    let mut n_rows = None;
    let mut columns = Vec::new();
    for (idx, name) in ["starts", "limits", "deltas"].into_iter().enumerate() {
        let tensor = cx.input(idx)?;
        match *tensor.dims() {
            [] => {}
            [n] if *n_rows.get_or_insert(n) == n => {}
            [_] => {
                let message = "starts, limits, and deltas must have the same shape";
                return Err(Status::invalid_argument(message));
            }
            _ => {
                return Err(Status::invalid_argument(format!("{name} must be a scalar or vector")));
            }
        }
        columns.push(tensor.as_slice::<T>()?);
    }
    let of = |column: &[T], row: usize| if column.len() == 1 { column[0] } else { column[row] };
    let too_many = || Status::resource_exhausted("the ranges are too long");
    let (mut ends, mut values) = (vec![0], Vec::new());
    for row in 0..n_rows.unwrap_or(1) {
        let [start, limit, delta] = [0, 1, 2].map(|column| of(columns[column], row));
        if delta == zero {
            return Err(Status::invalid_argument("Requires delta != 0"));
        }
        let n = T::steps(start, limit, delta).ok_or_else(|| {
            Status::invalid_argument(format!("Requires ((limit - start) / delta) <= {}", i64::MAX))
        })?;
        let room = usize::try_from(n).ok().filter(|n| *n <= most - values.len());
        values.try_reserve(room.ok_or_else(too_many)?).map_err(|_| too_many())?;
        values.extend((0..n).map(|step| T::at(start, step, delta)));
        ends.push(values.len() as i64);
    }
    Ok((ends, values))
}

#[cfg(test)]
mod tests {
    use super::Step;

    #[test]
    fn steps_are_counted_without_overflow() {
        assert_eq!(i32::steps(i32::MIN, i32::MAX, 1), Some(u32::MAX.into()));
        assert_eq!(i64::steps(i64::MIN, i64::MAX, 1), None);
        assert_eq!(i64::steps(i64::MAX, i64::MIN, i64::MIN), Some(2));
        assert_eq!(i32::steps(3, 0, 1), Some(0));
        assert_eq!(f32::steps(0.0, 1.0, 0.3), Some(4));
        assert_eq!(f32::steps(0.0, f32::NAN, 1.0), None);
        assert_eq!(f64::steps(0.0, f64::INFINITY, 1.0), None);
    }
}

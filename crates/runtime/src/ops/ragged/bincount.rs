//! Values counted row by row.

use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, ints, kernel};
use crate::ops::arith::Arith;
use crate::ops::dispatch::{no_type, with_type};

/// How often each number below `size` occurs in each row, or the sum of its weights; larger ones are dropped.
///
/// Shapes: `splits [rows + 1]`, `values [n]`, `size []`, `weights [n]` or `[0]` → `[rows, size]`.
/// Types: `Tidx` i32 or i64; `T` i32, i64, f32 or f64.
/// Errors: `INVALID_ARGUMENT` for a negative number or size, and row splits that do not fit the values;
/// `RESOURCE_EXHAUSTED` if the result is too large.  Source: OpDef `RaggedBincount`.
pub(super) fn ragged_bincount(init: &KernelInit<'_>) -> Built {
    let (dtype, binary) = (init.attr_type("T")?, init.attr_bool("binary_output")?);
    with_type!(
        dtype,
        T in [I32 => i32, I64 => i64, F32 => f32, F64 => f64] => kernel(move |cx| {
            let output = counts::<T>(cx, binary, T::from(1u8))?;
            cx.set_output(0, output)
        }),
        else Err(no_type(init, dtype))
    )
}

fn counts<T: Arith>(cx: &KernelContext<'_>, binary: bool, one: T) -> Result<Tensor, Status> {
    let error = |message: String| Err(Status::invalid_argument(message));
    let (splits, values, size) = (cx.slice::<i64>(0)?, ints(cx.input(1)?)?, cx.input(2)?);
    let weights = cx.slice::<T>(3)?;
    if !size.shape().is_scalar() {
        return error(format!("Shape must be rank 0 but is rank {}", size.shape().rank()));
    }
    let size = args::int(size, "size")?;
    let Ok(size) = usize::try_from(size) else {
        return error(format!("size ({size}) must be non-negative"));
    };
    let (Some(first), Some(last)) = (splits.first(), splits.last()) else {
        return error("Splits must be non-empty".into());
    };
    if *first != 0 {
        return error(format!("Splits must start with 0, not with {first}"));
    }
    if usize::try_from(*last) != Ok(values.len()) {
        return error(format!(
            "Splits must end with the number of values, got {last} instead of {}",
            values.len()
        ));
    }
    if !weights.is_empty() && weights.len() != values.len() {
        return error(format!("{} weights do not fit {} values", weights.len(), values.len()));
    }
    let mut output =
        Tensor::zeros(T::DTYPE, args::shape(&[splits.len() as i64 - 1, size as i64])?)?;
    let to = output.make_mut::<T>()?;
    let mut end = 0;
    for (idx, value) in values.iter().enumerate() {
        // The last of the splits is the number of values, so one is found.
        while splits.get(end).is_some_and(|split| idx as i64 >= *split) {
            end += 1;
        }
        let Ok(bin) = usize::try_from(*value) else {
            return error("Input must be non-negative".into());
        };
        if bin < size {
            let to = &mut to[(end - 1) * size + bin];
            let weight = weights.get(idx).copied().unwrap_or(one);
            *to = if binary { one } else { to.add(weight) };
        }
    }
    Ok(output)
}

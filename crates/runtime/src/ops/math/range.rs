//! `Range` and `LinSpace`: evenly spaced numbers.

use flowkeep_tensor::{Element, bf16, f16};

use super::scalar::{Real, Scalar};
use crate::kernel::{KernelContext, KernelInit, Status};
use crate::ops::args::{self, Built, kernel};
use crate::ops::dispatch::{no_type, with_float, with_real};

/// `start`, `start + delta`, `start + 2 delta`, ... up to but without `limit`.
///
/// Shapes: `start`, `limit`, `delta` `[]` → `[n]`.  Types: `Tidx` real numbers. Nothing accumulates:
/// element `i` is `start + i * delta`, rounded after each operation.
/// Errors: `INVALID_ARGUMENT` for a `delta` of 0 or of the wrong sign, or an endless range;
/// `RESOURCE_EXHAUSTED` if it is too long.  Source: OpDef `Range`.
pub(super) fn range(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("Tidx")?;
    with_real!(dtype, T => kernel(fill_range::<T>), else Err(no_type(init, dtype)))
}

fn fill_range<T: Real + Counted>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    let [start, limit, delta] = [(0, "start"), (1, "limit"), (2, "delta")].map(|(idx, name)| {
        let input = cx.input(idx)?;
        if input.n_elements() != 1 {
            let message = format!("{name} must be a scalar, not shape {}", input.shape());
            return Err(Status::invalid_argument(message));
        }
        Ok(input.to_scalar::<T>()?)
    });
    let (start, limit, delta) = (start?, limit?, delta?);
    if delta == T::ZERO {
        return Err(Status::invalid_argument(format!("Requires delta != 0: {delta:?}")));
    }
    if delta > T::ZERO && start > limit {
        return Err(Status::invalid_argument(format!(
            "Requires start <= limit when delta > 0: {start:?}/{limit:?}"
        )));
    }
    if delta < T::ZERO && start < limit {
        return Err(Status::invalid_argument(format!(
            "Requires start >= limit when delta < 0: {start:?}/{limit:?}"
        )));
    }
    let n = T::n_steps(start, limit, delta).ok_or_else(|| {
        Status::invalid_argument(
            "Requires ((limit - start) / delta) <= std::numeric_limits<int64_t>::max()",
        )
    })?;
    let mut output = cx.allocate(T::DTYPE, [n])?;
    for (idx, value) in output.make_mut::<T>()?.iter_mut().enumerate() {
        *value = start.plus(T::count(idx).times(delta));
    }
    cx.set_output(0, output)
}

/// `num` numbers from `start` to `stop`, both included.
///
/// Shapes: `start`, `stop`, `num` `[]` → `[num]`.  Types: `T` floats; `Tidx` i32 or i64. The last one is
/// exactly `stop`.
/// Errors: `INVALID_ARGUMENT` if `num` is not positive; `RESOURCE_EXHAUSTED` if it is too large.
/// Source: OpDef `LinSpace`.
pub(super) fn lin_space(init: &KernelInit<'_>) -> Built {
    let dtype = init.attr_type("T")?;
    with_float!(dtype, T => kernel(fill_lin_space::<T>), else Err(no_type(init, dtype)))
}

fn fill_lin_space<T: Real + Counted>(cx: &mut KernelContext<'_>) -> Result<(), Status> {
    for (idx, name) in ["start", "stop", "num"].iter().enumerate() {
        let input = cx.input(idx)?;
        if !input.shape().is_scalar() {
            let message = format!("{name} must be a scalar, not shape {}", input.shape());
            return Err(Status::invalid_argument(message));
        }
    }
    let (start, stop) = (cx.input(0)?.to_scalar::<T>()?, cx.input(1)?.to_scalar::<T>()?);
    let num = args::int(cx.input(2)?, "num")?;
    let n = usize::try_from(num).ok().filter(|n| *n > 0);
    let n = n.ok_or_else(|| Status::invalid_argument(format!("Requires num > 0: {num}")))?;
    let mut output = cx.allocate(T::DTYPE, [n])?;
    let values = output.make_mut::<T>()?;
    values[0] = start;
    if n > 1 {
        let step = stop.minus(start).over(T::count(n - 1));
        for (idx, value) in values.iter_mut().enumerate().skip(1) {
            *value = start.plus(step.times(T::count(idx)));
        }
        values[n - 1] = stop;
    }
    cx.set_output(0, output)
}

/// A type whose values can be counted.
trait Counted: Element {
    /// The number `n`; integers take its low bits.
    fn count(n: usize) -> Self;
    /// How many steps of `delta`, which is not 0, there are from `start` to `limit`; none if their
    /// number is not finite.
    fn n_steps(start: Self, limit: Self, delta: Self) -> Option<usize>;
}

macro_rules! impl_integer {
    ($($t:ident)*) => {$(
        impl Counted for $t {
            fn count(n: usize) -> $t {
                n as $t
            }

            fn n_steps(start: $t, limit: $t, delta: $t) -> Option<usize> {
                let distance = (limit as i128 - start as i128).unsigned_abs();
                usize::try_from(distance.div_ceil((delta as i128).unsigned_abs())).ok()
            }
        }
    )*};
}

impl_integer! { i8 i16 i32 i64 u8 u16 u32 u64 }

macro_rules! impl_float {
    ($($t:ty, $widen:expr, $narrow:expr;)*) => {$(
        impl Counted for $t {
            fn count(n: usize) -> $t {
                $narrow(n as _)
            }

            fn n_steps(start: $t, limit: $t, delta: $t) -> Option<usize> {
                let n = $widen(limit.minus(start).over(delta)).abs().ceil();
                // 2^63 and above, infinity and NaN are no lengths.
                (n < 9.0e18).then_some(n as usize)
            }
        }
    )*};
}

impl_float! {
    f32, std::convert::identity::<f32>, std::convert::identity::<f32>;
    f64, std::convert::identity::<f64>, std::convert::identity::<f64>;
    f16, f16::to_f32, f16::from_f32;
    bf16, bf16::to_f32, bf16::from_f32;
}

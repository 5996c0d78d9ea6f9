//! Floats of all widths: the narrow ones are computed with as `float`.

use std::borrow::Cow;

use flowkeep_linalg::Float;
use flowkeep_linalg::{Pool, elementwise};
use flowkeep_tensor::{Element, Error, Shape, bf16, f16};

use crate::kernel::Status;

/// A float type of tensors.
pub(super) trait Real: Element + PartialOrd {
    /// The type that kernels compute in: `Self`, or `f32` for the types of 16 bits.
    type Wide: Float + Element;

    /// The number in the wide type.
    fn widen(self) -> Self::Wide;

    /// The nearest number to `wide`.
    fn narrow(wide: Self::Wide) -> Self;

    /// The numbers in the wide type: themselves where they are wide.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` if there is no memory for a copy.
    fn widen_all<'a>(pool: &Pool, values: &'a [Self]) -> Result<Cow<'a, [Self::Wide]>, Status>;

    /// Lets `f` write results in the wide type, and stores the nearest numbers in `out`.
    ///
    /// Errors: `RESOURCE_EXHAUSTED` if there is no memory for the results.
    fn write(
        pool: &Pool,
        out: &mut [Self],
        f: impl FnOnce(&mut [Self::Wide]),
    ) -> Result<(), Status>;
}

macro_rules! wide {
    ($($t:ty)*) => {$(
        impl Real for $t {
            type Wide = $t;

            #[inline(always)]
            fn widen(self) -> $t {
                self
            }

            #[inline(always)]
            fn narrow(wide: $t) -> $t {
                wide
            }

            fn widen_all<'a>(_: &Pool, values: &'a [$t]) -> Result<Cow<'a, [$t]>, Status> {
                Ok(Cow::Borrowed(values))
            }

            fn write(_: &Pool, out: &mut [$t], f: impl FnOnce(&mut [$t])) -> Result<(), Status> {
                f(out);
                Ok(())
            }
        }
    )*};
}

wide!(f32 f64);

macro_rules! narrow {
    ($($t:ty)*) => {$(
        impl Real for $t {
            type Wide = f32;

            #[inline(always)]
            fn widen(self) -> f32 {
                self.to_f32()
            }

            #[inline(always)]
            fn narrow(wide: f32) -> $t {
                <$t>::from_f32(wide)
            }

            fn widen_all<'a>(pool: &Pool, values: &'a [$t]) -> Result<Cow<'a, [f32]>, Status> {
                let mut wide = zeros(values.len())?;
                elementwise::map(pool, values, &mut wide, <$t>::to_f32);
                Ok(Cow::Owned(wide))
            }

            fn write(pool: &Pool, out: &mut [$t], f: impl FnOnce(&mut [f32])) -> Result<(), Status> {
                let mut wide = zeros(out.len())?;
                f(&mut wide);
                elementwise::map(pool, &wide, out, <$t>::from_f32);
                Ok(())
            }
        }
    )*};
}

narrow!(f16 bf16);

/// A vector of `n` zeros.
///
/// Errors: `RESOURCE_EXHAUSTED` if there is no memory for it.
pub(super) fn zeros<T: Element>(n: usize) -> Result<Vec<T>, Status> {
    let mut values = Vec::new();
    let too_large = |_| Error::TooLarge { dtype: T::DTYPE, shape: Shape::from([n]) };
    values.try_reserve_exact(n).map_err(too_large)?;
    values.resize(n, T::default());
    Ok(values)
}

//! Sets of data types that rows of op tables name, beside those of [`super::dispatch`].

use flowkeep_tensor::DType;

use super::dispatch::{FLOATS, NUMBERS, REALS};

/// Two sets as one, of `N` types in all.
const fn joined<const N: usize>(first: &[DType], second: &[DType]) -> [DType; N] {
    let mut all = [DType::Bool; N];
    let mut idx = 0;
    while idx < N {
        all[idx] = if idx < first.len() { first[idx] } else { second[idx - first.len()] };
        idx += 1;
    }
    all
}

/// Floats and complex numbers.
pub(crate) const INEXACT: &[DType] =
    &joined::<{ FLOATS.len() + 2 }>(FLOATS, &[DType::Complex64, DType::Complex128]);

/// Numbers and strings: what can be added.
pub(crate) const SUMMABLE: &[DType] = &joined::<{ NUMBERS.len() + 1 }>(NUMBERS, &[DType::String]);

/// Numbers and lists of them: what can be summed up.
pub(crate) const ADDENDS: &[DType] = &joined::<{ NUMBERS.len() + 1 }>(NUMBERS, &[DType::Variant]);

/// Numbers and bool: what can be cast.
pub(crate) const CASTABLE: &[DType] = &joined::<{ NUMBERS.len() + 1 }>(NUMBERS, &[DType::Bool]);

/// Numbers, bool and strings: what can be compared for equality.
pub(crate) const COMPARABLE: &[DType] =
    &joined::<{ NUMBERS.len() + 2 }>(NUMBERS, &[DType::Bool, DType::String]);

/// Real numbers and bool: what has an order.
pub(crate) const ORDERED: &[DType] = &joined::<{ REALS.len() + 1 }>(REALS, &[DType::Bool]);

/// Real numbers and strings: what lists hold.
pub(crate) const LISTED: &[DType] = &joined::<{ REALS.len() + 1 }>(REALS, &[DType::String]);

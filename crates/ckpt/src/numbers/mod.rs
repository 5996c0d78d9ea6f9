//! Elements as numbers: what statistics and comparisons share.

mod blocks;
mod decoder;
mod lanes;
mod number;
mod wide;

pub(crate) use blocks::{BLOCK_LEN, bf16_value, blocks, f16_value};
pub(crate) use decoder::{Decoder, byte_values, magnitude};
pub(crate) use lanes::{extreme, fold_lanes, join_pairwise};
pub use number::Number;
pub(crate) use number::short_text;
pub(crate) use wide::Wide;

use flowkeep_tensor::DType;

/// What the elements of a type are, as far as calculating goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Integers; the quantized ones and bool among them.
    Int,
    /// Floats of any width.
    Float,
    /// Complex numbers.
    Complex,
}

impl Kind {
    /// The kind of a type; `None` for strings, resources and variants.
    pub(crate) fn of(dtype: DType) -> Option<Kind> {
        dtype.size_bytes()?;
        Some(match dtype {
            dtype if dtype.is_complex() => Kind::Complex,
            dtype if dtype.is_floating() => Kind::Float,
            _ => Kind::Int,
        })
    }
}

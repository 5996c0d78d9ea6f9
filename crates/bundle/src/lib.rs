//! TensorFlow checkpoints (tensor bundles), read without TensorFlow.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod coding;
mod crc32c;
mod key;
pub mod slice_key;
pub mod source;
pub mod table;

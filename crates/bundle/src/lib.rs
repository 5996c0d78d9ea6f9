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
mod entry;
mod error;
mod header;
mod key;
mod overlap;
mod partition;
mod reader;
mod region;
pub mod slice_key;
pub mod source;
pub mod table;
mod value;

pub use entry::Entry;
pub use error::Error;
pub use header::{BundleHeader, Endianness};
pub use key::Key;
pub use reader::{BundleReader, ReaderOptions};

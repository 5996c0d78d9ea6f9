//! Sorted tables: immutable files that map byte strings to byte strings, in order.
//!
//! The format is that of the LevelDB family. The `.index` file of a checkpoint is one table.
//!
//! ```text
//! data block 0 | trailer | data block 1 | trailer | … | metaindex block | trailer | index block | trailer | footer
//! ```
//!
//! Every block ends in a 5 byte trailer: how the block is compressed, and a checksum. The index
//! block has an entry per data block; the footer, the last 48 bytes, says where the index block is.
//! Between blocks anything may lie. The metaindex block is never read.
//!
//! [`Table::open`] reads the whole file and checks all of it once: checksums, bounds, the order of
//! keys. What follows it cannot fail. [`LazyTable`] is for files that hold tensors: it reads and
//! checks a block when a value in it is asked for. [`TableWriter`] writes the bytes that TensorFlow
//! would.
//!
//! Modules in reading order: `format` (footer, trailer, handles), `compression`, `block` and
//! `block_builder` (entries), `reader` ([`Table`]), `iter` ([`TableIter`]), `lazy` ([`LazyTable`]),
//! `writer` ([`TableWriter`]), `error`.
#![deny(clippy::arithmetic_side_effects)]

mod block;
mod block_builder;
mod compression;
mod error;
mod format;
mod iter;
mod lazy;
mod reader;
pub(crate) mod recover;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "builds small tables for tests")]
pub(crate) mod testing;
mod writer;

pub use self::error::Error;
pub(crate) use self::format::{FOOTER_LEN, MAGIC};
pub use self::iter::TableIter;
pub use self::lazy::LazyTable;
pub(crate) use self::lazy::Located;
pub use self::reader::Table;
pub use self::writer::TableWriter;

//! Tensors on their way from where they are to where they will be: what all commands share that write
//! a checkpoint.
//!
//! Modules in reading order: `item` (a tensor to be written), `output` ([`Output`]), `bundle`, `v1` and
//! `file` (the formats).

mod bundle;
mod file;
mod item;
mod output;
mod v1;

use flowkeep_bundle::Key;

pub(crate) use self::item::{Compute, Content, Item};
pub use self::output::Output;
use crate::{Error, Format};

/// Called, by any thread, with each number of bytes that has been written.
pub type Progress<'a> = Option<&'a (dyn Fn(u64) + Sync)>;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The number of tensors.
    pub n_tensors: usize,
    /// The bytes of their elements.
    pub n_bytes: u64,
    /// What was not written, with the reason.
    pub left_out: Vec<(Key, String)>,
}

/// Writes the items, each of another name, in their order.
pub(crate) fn write(
    items: Vec<Item<'_>>,
    output: &Output,
    progress: Progress<'_>,
) -> Result<Written, Error> {
    output.check_free()?;
    let mut written = Written { n_tensors: items.len(), ..Written::default() };
    for item in &items {
        written.n_bytes = written.n_bytes.saturating_add(item.len_bytes);
    }
    match output.format {
        Format::V2 => bundle::write(items, output, progress)?,
        Format::V1 => v1::write(items, output, progress)?,
        Format::File(format) => file::write(items, format, output, progress)?,
    }
    Ok(written)
}

/// Tells a progress bar about `n` bytes.
fn advance(progress: Progress<'_>, n: u64) {
    if let Some(progress) = progress {
        progress(n);
    }
}

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

pub(crate) use self::item::{Compute, Content, Item, Open, known_type};
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
    let written = count(&items);
    match output.format {
        Format::V2 => bundle::write(items, output, progress)?,
        Format::V1 => v1::write(items, output, progress)?,
        Format::File(format) => file::write(items, format, output, progress)?,
    }
    Ok(written)
}

/// Writes a V2 checkpoint with these items in each of its data files.
pub(crate) fn write_parts(
    parts: Vec<Vec<Item<'_>>>,
    output: &Output,
    progress: Progress<'_>,
) -> Result<Written, Error> {
    output.check_free()?;
    let written = count(parts.iter().flatten());
    bundle::write_parts(parts, output, progress)?;
    Ok(written)
}

fn count<'i, 'a: 'i>(items: impl IntoIterator<Item = &'i Item<'a>>) -> Written {
    let mut written = Written::default();
    let mut names = std::collections::HashSet::new();
    for item in items {
        // Several items may be slices of one tensor.
        names.insert(&item.name);
        written.n_bytes = written.n_bytes.saturating_add(item.len_bytes);
    }
    written.n_tensors = names.len();
    written
}

/// Tells a progress bar about `n` bytes.
fn advance(progress: Progress<'_>, n: u64) {
    if let Some(progress) = progress {
        progress(n);
    }
}

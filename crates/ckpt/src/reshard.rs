use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flowkeep_tensor::{Extent, TensorSlice};

use crate::elements::Elements;
use crate::transfer::{self, Compute, Content, Item};
use crate::{Checkpoint, Error, Format, Output, Progress, TensorInfo, Written};

/// Into how many data files a checkpoint is distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// So many, of about the same size; [`Output::n_shards`] has no effect.
    Count(u32),
    /// As many as are needed for none to be larger, in bytes. A tensor that is larger is stored in
    /// slices of its first dimension, as far as those allow it.
    MaxLen(u64),
}

/// Writes a checkpoint with the same tensors in other data files.
///
/// Errors: `INVALID_ARGUMENT` for no data files, for a limit of no bytes, and for formats other than V2;
/// those of reading and writing.
pub fn reshard(
    from: &Checkpoint,
    shards: Shards,
    output: &Output,
    progress: Progress<'_>,
) -> Result<Written, Error> {
    if output.format != Format::V2 {
        let what = format!("a checkpoint of format {} is one file", output.format);
        return Err(Error::Invalid(what));
    }
    let items = |info: &TensorInfo| Item::copy(from, info, info.name.clone());
    match shards {
        Shards::Count(n_shards) => {
            let items = from.tensors().iter().map(items).collect::<Result<_, _>>()?;
            transfer::write(items, &Output { n_shards, ..output.clone() }, progress)
        }
        Shards::MaxLen(0) => Err(Error::Invalid("a data file cannot have no bytes".into())),
        Shards::MaxLen(max_len) => {
            let mut items = Vec::new();
            for info in from.tensors() {
                items.extend(cut(from, info, max_len)?);
            }
            transfer::write_parts(fill(items, max_len), output, progress)
        }
    }
}

/// Fills one data file after the other, none beyond `max_len` unless with a single item.
fn fill(items: Vec<Item<'_>>, max_len: u64) -> Vec<Vec<Item<'_>>> {
    let mut parts: Vec<Vec<Item<'_>>> = vec![Vec::new()];
    let mut len = 0u64;
    for item in items {
        let next = len.saturating_add(item.len_bytes);
        match parts.last_mut() {
            Some(part) if part.is_empty() || next <= max_len => {
                len = next;
                part.push(item);
            }
            _ => {
                len = item.len_bytes;
                parts.push(vec![item]);
            }
        }
    }
    parts
}

/// A tensor as it is, or in slices of at most `max_len` bytes if it is larger, whole and has rows that
/// are smaller than it.
fn cut<'a>(from: &'a Checkpoint, info: &TensorInfo, max_len: u64) -> Result<Vec<Item<'a>>, Error> {
    let whole = || Ok(vec![Item::copy(from, info, info.name.clone())?]);
    let dtype = transfer::known_type(info)?;
    let (Some(size), Some(&n_rows)) = (dtype.size_bytes(), info.shape.dims().first()) else {
        return whole();
    };
    let len = info.n_elements() as u64 * size as u64;
    if len <= max_len || info.n_slices > 0 || n_rows < 2 {
        return whole();
    }
    let row_len = len / n_rows as u64;
    let n_rows_each = (max_len / row_len.max(1)).max(1);
    let n_slices = (n_rows as u64).div_ceil(n_rows_each) as usize;
    let source = Arc::new(Rows {
        from,
        name: info.name.clone(),
        elements: Mutex::default(),
        n_left: AtomicUsize::new(n_slices),
    });
    let mut items = Vec::with_capacity(n_slices);
    for start in (0..n_rows as u64).step_by(n_rows_each as usize) {
        let length = n_rows_each.min(n_rows as u64 - start);
        let mut extents = vec![Extent::Full; info.shape.rank()];
        if let Some(first) = extents.first_mut() {
            *first = Extent::Range { start, length };
        }
        let source = Arc::clone(&source);
        let open = move || -> Result<Box<dyn Compute + 'a>, Error> {
            let elements = source.elements()?;
            Ok(Box::new(Part { source, elements, start: start * row_len }))
        };
        items.push(Item {
            name: info.name.clone(),
            dtype,
            shape: info.shape.clone(),
            len_bytes: length * row_len,
            content: Content::Part(TensorSlice::new(extents)?, Box::new(open)),
        });
    }
    Ok(items)
}

/// A tensor that is read in parts, by one reader for all of them, so that its checksum can be compared
/// in the end.
struct Rows<'a> {
    from: &'a Checkpoint,
    name: flowkeep_bundle::Key,
    elements: Mutex<Option<Arc<Elements<'a>>>>,
    /// The parts that are not read yet.
    n_left: AtomicUsize,
}

impl<'a> Rows<'a> {
    fn elements(&self) -> Result<Arc<Elements<'a>>, Error> {
        let mut elements = self.elements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(elements) = &*elements {
            return Ok(Arc::clone(elements));
        }
        let opened = Arc::new(self.from.elements(&self.name)?);
        *elements = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

/// A part of a tensor.
struct Part<'a> {
    source: Arc<Rows<'a>>,
    elements: Arc<Elements<'a>>,
    /// The first byte.
    start: u64,
}

impl Compute for Part<'_> {
    fn fill(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        self.elements.read_at(self.start + at, out)
    }

    fn finish(&self) -> Result<(), Error> {
        match self.source.n_left.fetch_sub(1, Ordering::AcqRel) {
            1 => {
                *self.source.elements.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.elements.finish()
            }
            _ => Ok(()),
        }
    }
}

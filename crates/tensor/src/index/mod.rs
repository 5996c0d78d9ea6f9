//! NumPy's basic indexing: integers, slices and the ellipsis.
//!
//! `parse` reads an index, [`TensorIndex::resolve`] holds it against a shape, and the resulting
//! [`Selection`] says what has to be read and takes it out of a tensor.

mod gather;
mod parse;
mod selection;

use std::fmt;

use crate::{Error, MAX_RANK, Shape, Tensor};

pub use selection::{Selection, Steps};

/// What stands between the brackets of `w[0:3,:]` in NumPy's basic indexing.
///
/// Integers drop their dimension, slices keep theirs, `...` stands for as many `:` as the shape asks
/// for; dimensions that are not mentioned are taken whole. There are no new axes and no index arrays.
///
/// ```
/// use flowkeep_tensor::{Tensor, TensorIndex};
///
/// let w = Tensor::from_vec([2, 3], vec![0, 1, 2, 3, 4, 5])?;
/// let index: TensorIndex = "-1,::2".parse()?;
/// assert_eq!(w.index(&index)?.as_slice::<i32>()?, &[3, 5]);
/// # Ok::<(), flowkeep_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorIndex {
    items: Vec<IndexItem>,
}

/// The index of one dimension, or of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexItem {
    /// One index, which drops the dimension; negative ones count from the end.
    At(i64),
    /// Python's `start:stop:step`; what reaches out of the dimension is clipped.
    Slice {
        /// The first index.
        start: Option<i64>,
        /// The index before which the slice ends.
        stop: Option<i64>,
        /// The distance between indices, not zero.
        step: Option<i64>,
    },
    /// All dimensions that the other items leave.
    Ellipsis,
}

impl IndexItem {
    /// The whole dimension, `:`.
    pub const ALL: IndexItem = IndexItem::Slice { start: None, stop: None, step: None };
}

impl TensorIndex {
    /// The index of these items, outermost dimension first; none are the same as `...`.
    ///
    /// Errors: `INVALID_ARGUMENT`, with NumPy's words, for a second ellipsis and for a step of zero;
    /// for more items than a tensor has dimensions at most.
    pub fn new(mut items: Vec<IndexItem>) -> Result<TensorIndex, Error> {
        let n_ellipses = items.iter().filter(|item| **item == IndexItem::Ellipsis).count();
        if n_ellipses > 1 {
            return Err(bad("an index can only have a single ellipsis ('...')"));
        }
        if items.iter().any(|item| matches!(item, IndexItem::Slice { step: Some(0), .. })) {
            return Err(bad("slice step cannot be zero"));
        }
        check_count(items.len() - n_ellipses)?;
        if items.is_empty() {
            items.push(IndexItem::Ellipsis);
        }
        Ok(TensorIndex { items })
    }

    /// The items, outermost dimension first.
    pub fn items(&self) -> &[IndexItem] {
        &self.items
    }

    /// What this index takes of a tensor of shape `shape`. No data is touched, so that the tensor
    /// may be larger than memory.
    ///
    /// Errors: `INVALID_ARGUMENT`, with NumPy's words, for more items than dimensions and for integers
    /// out of their dimension; for a shape that no tensor has.
    pub fn resolve(&self, shape: &Shape) -> Result<Selection, Error> {
        check_count(shape.rank())?;
        let is_ellipsis = |item: &IndexItem| *item == IndexItem::Ellipsis;
        let ellipsis = self.items.iter().position(is_ellipsis);
        let (head, tail) = match ellipsis {
            Some(at) => (&self.items[..at], &self.items[at + 1..]),
            None => (&self.items[..], &[][..]),
        };
        let n_items = head.len() + tail.len();
        let Some(n_left) = shape.rank().checked_sub(n_items) else {
            return Err(bad(format!(
                "too many indices for array: array is {}-dimensional, but {n_items} were indexed",
                shape.rank()
            )));
        };
        let all = std::iter::repeat_n(&IndexItem::ALL, n_left);
        let steps = head.iter().chain(all).chain(tail).zip(shape.dims()).enumerate();
        let steps = steps.map(|(axis, (item, dim))| Steps::of(*item, axis, *dim));
        Ok(Selection::new(shape.clone(), steps.collect::<Result<_, _>>()?))
    }
}

fn check_count(n_dims: usize) -> Result<(), Error> {
    if n_dims > MAX_RANK {
        return Err(bad(format!("{n_dims} dimensions were indexed, more than {MAX_RANK}")));
    }
    Ok(())
}

fn bad(message: impl Into<String>) -> Error {
    Error::BadIndex(message.into())
}

/// NumPy's form: `0:3,:`.
impl fmt::Display for TensorIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, item) in self.items.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

impl fmt::Display for IndexItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: &Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        match self {
            IndexItem::At(idx) => write!(f, "{idx}"),
            IndexItem::Slice { start, stop, step } => {
                write!(f, "{}:{}", number(start), number(stop))?;
                step.map_or(Ok(()), |step| write!(f, ":{step}"))
            }
            IndexItem::Ellipsis => f.write_str("..."),
        }
    }
}

impl Tensor {
    /// The elements that `index` takes, as NumPy's basic indexing does; a scalar when every dimension
    /// is given by an integer.
    ///
    /// The result has its own memory, but for an index that takes everything as it is.
    ///
    /// Errors: as [`TensorIndex::resolve`]; `RESOURCE_EXHAUSTED` when there is no memory for the result.
    pub fn index(&self, index: &TensorIndex) -> Result<Tensor, Error> {
        index.resolve(self.shape())?.apply(self)
    }
}

#[cfg(test)]
mod tests;

//! The entries of a table and the index that finds them.

use std::collections::HashMap;

use bytes::Bytes;
use flowkeep_tensor::{DType, Shape, Tensor};

use super::column::Column;
use crate::kernel::Status;
use crate::ops::args::ints;

/// The entries of a table: row `n` of `keys` belongs to row `n` of `values`.
#[derive(Debug)]
pub(super) struct Entries {
    index: Index,
    keys: Column,
    values: Column,
}

impl Entries {
    /// No entries.
    ///
    /// Errors: `UNIMPLEMENTED` for types without plain elements other than strings.
    pub(super) fn new(
        key_dtype: DType,
        value_dtype: DType,
        value_shape: &Shape,
    ) -> Result<Entries, Status> {
        let index = match key_dtype {
            DType::String => Index::Strings(HashMap::new()),
            _ => Index::Ints(HashMap::new()),
        };
        let keys = Column::new(key_dtype, &Shape::SCALAR)?;
        Ok(Entries { index, keys, values: Column::new(value_dtype, value_shape)? })
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        match &self.index {
            Index::Ints(index) => index.len(),
            Index::Strings(index) => index.len(),
        }
    }

    /// The values of `keys`, of shape `shape`; row `default_row(n)` of `default` for each missing
    /// one.
    pub(super) fn find(
        &self,
        keys: &Tensor,
        shape: Shape,
        default: &Tensor,
        default_row: impl Fn(usize) -> usize,
    ) -> Result<Tensor, Status> {
        self.values.pick(shape, &self.index.find(keys)?, default, default_row)
    }

    /// All keys.
    pub(super) fn keys(&self, shape: Shape) -> Result<Tensor, Status> {
        self.keys.tensor(shape)
    }

    /// All values, in the order of the keys.
    pub(super) fn values(&self, shape: Shape) -> Result<Tensor, Status> {
        self.values.tensor(shape)
    }

    /// Adds entries in order; with `once`, a key may be given again only with its value.
    ///
    /// Errors: `FAILED_PRECONDITION` for a second value of a key.
    pub(super) fn insert(
        &mut self,
        keys: &Tensor,
        values: &Tensor,
        once: bool,
    ) -> Result<(), Status> {
        let rows = self.index.enter(keys)?;
        let mut n_rows = self.keys.n_rows();
        for (n, row) in rows.into_iter().enumerate() {
            if row == n_rows {
                self.keys.push(keys, n)?;
                self.values.push(values, n)?;
                n_rows += 1;
            } else if !once {
                self.values.set(row, values, n)?;
            } else if let Some((old, new)) = self.values.difference(row, values, n)? {
                let key = self.keys.text(row);
                return Err(Status::failed_precondition(format!(
                    "HashTable has different value for same key. Key {key} has {old} and trying to \
                     add value {new}"
                )));
            }
        }
        Ok(())
    }

    /// Removes the entries of `keys` that are there.
    pub(super) fn remove(&mut self, keys: &Tensor) -> Result<(), Status> {
        for n in 0..keys.n_elements() {
            let Some(row) = self.index.take(keys, n)? else { continue };
            self.keys.swap_remove(row);
            self.values.swap_remove(row);
            // The last row has moved into the gap, unless it was the gap.
            if row < self.keys.n_rows() {
                self.index.move_to(&self.keys, row);
            }
        }
        Ok(())
    }
}

/// The row of each key.
#[derive(Debug)]
enum Index {
    Ints(HashMap<i64, usize>),
    Strings(HashMap<Bytes, usize>),
}

impl Index {
    fn find(&self, keys: &Tensor) -> Result<Vec<Option<usize>>, Status> {
        Ok(match self {
            Index::Ints(index) => ints(keys)?.iter().map(|key| index.get(key).copied()).collect(),
            Index::Strings(index) => {
                keys.as_strings()?.iter().map(|key| index.get(key).copied()).collect()
            }
        })
    }

    /// The row of each key, new ones numbered on from the present ones.
    fn enter(&mut self, keys: &Tensor) -> Result<Vec<usize>, Status> {
        Ok(match self {
            Index::Ints(index) => {
                let enter = |key| {
                    let next = index.len();
                    *index.entry(key).or_insert(next)
                };
                ints(keys)?.into_iter().map(enter).collect()
            }
            Index::Strings(index) => {
                let enter = |key: &Bytes| {
                    let next = index.len();
                    *index.entry(key.clone()).or_insert(next)
                };
                keys.as_strings()?.iter().map(enter).collect()
            }
        })
    }

    fn take(&mut self, keys: &Tensor, n: usize) -> Result<Option<usize>, Status> {
        Ok(match self {
            Index::Ints(index) => ints(keys)?.get(n).and_then(|key| index.remove(key)),
            Index::Strings(index) => keys.as_strings()?.get(n).and_then(|key| index.remove(key)),
        })
    }

    /// Says that the key in row `row` of `keys` is there now.
    fn move_to(&mut self, keys: &Column, row: usize) {
        match (self, keys) {
            (Index::Strings(index), Column::Strings { values, .. }) => {
                index.insert(values[row].clone(), row);
            }
            (Index::Ints(index), keys) => {
                index.insert(keys.int(row), row);
            }
            _ => {}
        }
    }
}

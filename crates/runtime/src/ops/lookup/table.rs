//! The table resource: rows of values, found by an integer or a string.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use flowkeep_tensor::{Code, DType, Shape, Tensor};

use super::entries::Entries;
use crate::kernel::Status;
use crate::resource::Resource;

/// A hash table: one that is initialized once, or a mutable one.
#[derive(Debug)]
pub(super) struct Table {
    key_dtype: DType,
    value_dtype: DType,
    value_shape: Shape,
    mutable: bool,
    /// `None` until the table is initialized; a mutable table is so from the start.
    entries: RwLock<Option<Entries>>,
}

impl Table {
    /// The kind of all tables.
    pub(super) const KIND: &'static str = "N10tensorflow6lookup15LookupInterfaceE";

    /// An empty table; one that is not mutable waits for its initialization.
    ///
    /// Errors: `UNIMPLEMENTED` for values without plain elements other than strings.
    pub(super) fn new(
        key_dtype: DType,
        value_dtype: DType,
        value_shape: Shape,
        mutable: bool,
    ) -> Result<Table, Status> {
        let empty = Entries::new(key_dtype, value_dtype, &value_shape)?;
        let entries = RwLock::new(mutable.then_some(empty));
        Ok(Table { key_dtype, value_dtype, value_shape, mutable, entries })
    }

    /// The type of the keys.
    pub(super) fn key_dtype(&self) -> DType {
        self.key_dtype
    }

    /// The type of the values.
    pub(super) fn value_dtype(&self) -> DType {
        self.value_dtype
    }

    /// Whether entries can be inserted and removed at any time.
    pub(super) fn is_mutable(&self) -> bool {
        self.mutable
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.read().as_ref().map_or(0, Entries::len)
    }

    /// The values of `keys`, of shape `keys.shape + value_shape`.
    ///
    /// `default` stands for all missing values or, in a mutable table and with the shape of the
    /// result, gives one for each.
    /// Errors: `FAILED_PRECONDITION` before the initialization; `INVALID_ARGUMENT` for a default of
    /// another shape.
    pub(super) fn find(&self, keys: &Tensor, default: &Tensor) -> Result<Tensor, Status> {
        let shape = self.shape_for(keys);
        let is_full = *default.shape() == shape;
        if !is_full && *default.shape() != self.value_shape {
            return Err(Status::invalid_argument(format!(
                "Expected shape {} or {shape} for default value, got {}",
                self.value_shape,
                default.shape()
            )));
        }
        let entries = self.read();
        let entries = entries
            .as_ref()
            .ok_or_else(|| Status::failed_precondition("Table not initialized."))?;
        let default_row = |n: usize| if is_full && self.mutable { n } else { 0 };
        entries.find(keys, shape, default, default_row)
    }

    /// All keys and their values, in no particular order.
    ///
    /// Errors: `ABORTED` before the initialization.
    pub(super) fn export(&self) -> Result<(Tensor, Tensor), Status> {
        let entries = self.read();
        let entries = entries
            .as_ref()
            .ok_or_else(|| Status::new(Code::Aborted, "HashTable is not initialized."))?;
        let mut shape = vec![entries.len()];
        let keys = entries.keys(Shape::new(&shape))?;
        shape.extend_from_slice(self.value_shape.dims());
        Ok((keys, entries.values(Shape::from(shape))?))
    }

    /// Adds entries or replaces their values.
    ///
    /// Errors: `UNIMPLEMENTED` if the table is not mutable; `INVALID_ARGUMENT` for values of another
    /// shape.
    pub(super) fn insert(&self, keys: &Tensor, values: &Tensor) -> Result<(), Status> {
        self.check_shapes(keys, values)?;
        match &mut *self.write() {
            Some(entries) if self.mutable => entries.insert(keys, values, false),
            _ => Err(Status::unimplemented(
                "Insert not supported by InitializableLookupTable implementations",
            )),
        }
    }

    /// Removes the entries of `keys` that are there.
    ///
    /// Errors: `UNIMPLEMENTED` if the table is not mutable.
    pub(super) fn remove(&self, keys: &Tensor) -> Result<(), Status> {
        match &mut *self.write() {
            Some(entries) if self.mutable => entries.remove(keys),
            _ => Err(Status::unimplemented(
                "Remove not supported by InitializableLookupTable implementations",
            )),
        }
    }

    /// Replaces all entries of a mutable table, or initializes another one.
    ///
    /// Errors: `INVALID_ARGUMENT` for values of another shape, and as [`Table::initialize`].
    pub(super) fn import(&self, keys: &Tensor, values: &Tensor) -> Result<(), Status> {
        self.check_shapes(keys, values)?;
        if !self.mutable {
            return self.initialize(keys, values);
        }
        let mut entries = self.empty()?;
        entries.insert(keys, values, false)?;
        *self.write() = Some(entries);
        Ok(())
    }

    /// Fills the table, which happens once: a second time with as many keys does nothing.
    ///
    /// Errors: `INVALID_ARGUMENT` without any key; `FAILED_PRECONDITION` for another number of
    /// entries than the table has, or for two values of one key.
    pub(super) fn initialize(&self, keys: &Tensor, values: &Tensor) -> Result<(), Status> {
        if keys.n_elements() == 0 {
            return Err(Status::invalid_argument("keys and values cannot be empty tensors."));
        }
        let mut slot = self.write();
        match &*slot {
            Some(entries) if entries.len() == keys.n_elements() => Ok(()),
            Some(_) => Err(Status::failed_precondition(
                "Table was already initialized with different data.",
            )),
            None => {
                let mut entries = self.empty()?;
                entries.insert(keys, values, true)?;
                *slot = Some(entries);
                Ok(())
            }
        }
    }

    /// Whether the table has been initialized.
    pub(super) fn is_initialized(&self) -> bool {
        self.read().is_some()
    }

    fn empty(&self) -> Result<Entries, Status> {
        Entries::new(self.key_dtype, self.value_dtype, &self.value_shape)
    }

    fn shape_for(&self, keys: &Tensor) -> Shape {
        Shape::from([keys.dims(), self.value_shape.dims()].concat())
    }

    fn check_shapes(&self, keys: &Tensor, values: &Tensor) -> Result<(), Status> {
        let expected = self.shape_for(keys);
        if *values.shape() == expected {
            return Ok(());
        }
        let got = values.shape();
        let message = format!("Expected shape {expected} for value, got {got}");
        Err(Status::invalid_argument(message))
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Entries>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Entries>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resource for Table {
    fn kind(&self) -> &'static str {
        Table::KIND
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn words(words: &[&'static str]) -> Tensor {
        Tensor::from_strings([words.len()], words.iter().map(|w| Bytes::from(*w)).collect())
            .unwrap()
    }

    fn numbers(values: &[i64]) -> Tensor {
        Tensor::from_elements(values.to_vec())
    }

    fn table(mutable: bool) -> Table {
        Table::new(DType::String, DType::I64, Shape::SCALAR, mutable).unwrap()
    }

    fn found(table: &Table, keys: &[&'static str], default: Tensor) -> Vec<i64> {
        table.find(&words(keys), &default).unwrap().as_slice::<i64>().unwrap().to_vec()
    }

    #[test]
    fn a_table_is_initialized_once() {
        let table = table(false);
        let status = table.find(&words(&["a"]), &Tensor::scalar(-1i64)).unwrap_err();
        assert_eq!(status, Status::failed_precondition("Table not initialized."));
        assert_eq!(table.export().unwrap_err().code(), Code::Aborted);
        table.initialize(&words(&["a", "b"]), &numbers(&[1, 2])).unwrap();
        table.initialize(&words(&["a", "b"]), &numbers(&[1, 3])).unwrap();
        let status = table.initialize(&words(&["a"]), &numbers(&[1])).unwrap_err();
        assert_eq!(status.message(), "Table was already initialized with different data.");
        assert_eq!(found(&table, &["b", "z"], Tensor::scalar(-1i64)), [2, -1]);
        assert_eq!(found(&table, &["y", "z"], numbers(&[-1, -2])), [-1, -1]);
        let status = table.insert(&words(&["c"]), &numbers(&[1])).unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }

    #[test]
    fn a_key_may_be_repeated_only_with_its_value() {
        let same = table(false);
        same.initialize(&words(&["a", "a"]), &numbers(&[1, 1])).unwrap();
        assert_eq!(same.len(), 1);
        let status = table(false).initialize(&words(&["a", "a"]), &numbers(&[1, 2])).unwrap_err();
        assert_eq!(
            status.message(),
            "HashTable has different value for same key. Key a has 1 and trying to add value 2"
        );
    }

    #[test]
    fn mutable_tables_change_at_any_time() {
        let table = table(true);
        table.insert(&words(&["a", "b", "c", "b"]), &numbers(&[1, 2, 3, 4])).unwrap();
        assert_eq!(found(&table, &["a", "b", "z"], numbers(&[7, 8, 9])), [1, 4, 9]);
        table.remove(&words(&["a", "nope", "c"])).unwrap();
        assert_eq!(
            (table.len(), found(&table, &["a", "b", "c"], Tensor::scalar(0i64))),
            (1, vec![0, 4, 0])
        );
        table.insert(&words(&["d"]), &numbers(&[5])).unwrap();
        let (keys, values) = table.export().unwrap();
        assert_eq!(keys, words(&["b", "d"]));
        assert_eq!(values, numbers(&[4, 5]));
        table.import(&words(&["x"]), &numbers(&[6])).unwrap();
        assert_eq!(table.len(), 1);
        let status = table.insert(&words(&["x"]), &numbers(&[6, 7])).unwrap_err();
        assert_eq!(status.message(), "Expected shape [1] for value, got [2]");
    }

    #[test]
    fn values_may_be_tensors() {
        let table = Table::new(DType::I64, DType::F32, Shape::from([2]), true).unwrap();
        let values = Tensor::from_vec([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        table.insert(&numbers(&[5, 6]), &values).unwrap();
        let default = Tensor::from_elements(vec![0.0f32, 7.0]);
        let found = table.find(&numbers(&[6, 9]), &default).unwrap();
        assert_eq!(found, Tensor::from_vec([2, 2], vec![3.0f32, 4.0, 0.0, 7.0]).unwrap());
        assert!(table.find(&numbers(&[6]), &Tensor::scalar(0.0f32)).is_err());
        let empty = Table::new(DType::I64, DType::F32, Shape::from([0]), true).unwrap();
        empty.insert(&numbers(&[5, 6]), &Tensor::zeros(DType::F32, [2, 0]).unwrap()).unwrap();
        empty.remove(&numbers(&[5])).unwrap();
        assert_eq!(empty.export().unwrap().0, numbers(&[6]));
    }
}

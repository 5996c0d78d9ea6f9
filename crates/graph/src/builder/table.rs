//! Lookup tables that can be written to, and are saved.

use flowkeep_tensor::DType;

use super::{Operand, SaveSpec, SaveableObject, Scope};
use crate::{Attr, Error, NodeId, Output};

/// What a table is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// Whether Savers save it: it is put into the collection `saveable_objects`, and shared under the
    /// name of its node. Default: true.
    pub checkpoint: bool,
    /// How many buckets a dense table starts with, a power of two; TensorFlow's 2^17 if nothing is said.
    pub initial_num_buckets: Option<i64>,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions { checkpoint: true, initial_num_buckets: None }
    }
}

/// A lookup table of a graph: `tf.lookup.experimental.MutableHashTable` or `DenseHashTable`.
///
/// ```
/// use flowkeep_graph::builder::{Scope, TableOptions};
/// use flowkeep_tensor::{DType, Tensor};
///
/// let mut scope = Scope::new();
/// let table = scope.with_op_name("ages").mutable_hash_table(DType::String, -1i64, TableOptions::default())?;
/// let names = Tensor::from_strings([2], ["a", "b"].map(|name| name.into()).to_vec())?;
/// scope.table_insert(&table, names.clone(), [30i64, 41])?;
/// let found = scope.table_find(&table, names)?;
/// assert_eq!(scope.graph().tensor_name(found).to_string(), "ages_lookup_table_find/LookupTableFindV2:0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    handle: Output,
    name: String,
    /// The name that was asked for, by which it is saved.
    asked: String,
    key_dtype: DType,
    value_dtype: DType,
    default_value: Output,
}

impl Table {
    /// The tensor that refers to the table.
    pub fn handle(&self) -> Output {
        self.handle
    }

    /// The name of its node, without scopes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The types of keys and of values.
    pub fn dtypes(&self) -> (DType, DType) {
        (self.key_dtype, self.value_dtype)
    }

    /// What a Saver saves of these tensors: all keys and all values, under the keys `name-keys` and
    /// `name-values`.
    fn saveable_of(&self, keys: Output, values: Output, name: &str) -> SaveableObject {
        let specs = [(keys, "keys"), (values, "values")];
        let specs = specs.map(|(tensor, what)| SaveSpec::new(tensor, format!("{name}-{what}")));
        let (handle, asked) = (self.handle, self.asked.clone());
        let saveable = SaveableObject::new(name, specs.to_vec(), move |scope, tensors, _| {
            let mut inner = scope.name_scope(&format!("{asked}_table_restore"))?;
            let mut inner = inner.colocate_with(handle)?;
            let import = inner.op("LookupTableImportV2").input(handle);
            tensors.iter().fold(import, |import, tensor| import.input(*tensor)).build()
        });
        saveable.with_op(self.handle)
    }
}

impl Scope {
    /// A table of any keys: node `MutableHashTableV2`, or `MutableHashTableOfTensorsV2` for values that
    /// are tensors. A key that it does not have gets `default_value`, which gives values their type and
    /// shape.
    ///
    /// Errors: `INVALID_ARGUMENT` for a default of unknown shape.
    pub fn mutable_hash_table(
        &mut self,
        key_dtype: DType,
        default_value: impl Into<Operand>,
        options: TableOptions,
    ) -> Result<Table, Error> {
        let name = self.op_name.take().unwrap_or_else(|| "MutableHashTable".to_owned());
        let default_value = self.tensor(default_value, "Const")?;
        let shape = self.shape(default_value).clone();
        let op = match shape.rank() {
            Some(0) => "MutableHashTableV2",
            _ => "MutableHashTableOfTensorsV2",
        };
        let value_dtype = self.dtype_of_value(default_value)?;
        let mut node = self.op(op).name(&name);
        node = node.attr("use_node_name_sharing", Attr::Bool(options.checkpoint));
        node = node.attr("key_dtype", Attr::Type(key_dtype));
        node = node.attr("value_dtype", Attr::Type(value_dtype));
        if shape.rank() != Some(0) {
            node = node.attr("value_shape", Attr::Shape(shape));
        }
        let handle = node.build_one()?;
        self.finish_table(handle, name, key_dtype, default_value, options)
    }

    /// A table that is faster and takes more memory, of keys other than `empty_key` and `deleted_key`:
    /// node `MutableDenseHashTableV2`.
    ///
    /// Errors: `INVALID_ARGUMENT` for keys of two types.
    pub fn dense_hash_table(
        &mut self,
        empty_key: impl Into<Operand>,
        deleted_key: impl Into<Operand>,
        default_value: impl Into<Operand>,
        options: TableOptions,
    ) -> Result<Table, Error> {
        let name = self.op_name.take().unwrap_or_else(|| "MutableDenseHashTable".to_owned());
        let default_value = self.tensor(default_value, "default_value")?;
        let shape = self.shape(default_value).clone();
        let value_dtype = self.dtype_of_value(default_value)?;
        let empty_key = self.tensor(empty_key, "empty_key")?;
        let deleted_key = self.tensor(deleted_key, "deleted_key")?;
        let key_dtype = self.dtype_of_value(empty_key)?;
        let mut node = self.op("MutableDenseHashTableV2").input(empty_key).input(deleted_key);
        node = node.attr("use_node_name_sharing", Attr::Bool(options.checkpoint));
        node = node.attr("value_dtype", Attr::Type(value_dtype));
        node = node.attr("value_shape", Attr::Shape(shape));
        if let Some(n_buckets) = options.initial_num_buckets {
            node = node.attr("initial_num_buckets", Attr::Int(n_buckets));
        }
        let handle = node.name(&name).build_one()?;
        self.finish_table(handle, name, key_dtype, default_value, options)
    }

    fn finish_table(
        &mut self,
        handle: Output,
        asked: String,
        key_dtype: DType,
        default_value: Output,
        options: TableOptions,
    ) -> Result<Table, Error> {
        let node = self.graph.node(handle.node).name();
        let name = node.rsplit_once('/').map_or(node, |(_, last)| last).to_owned();
        let value_dtype = self.dtype_of_value(default_value)?;
        let table = Table { handle, name, asked, key_dtype, value_dtype, default_value };
        if options.checkpoint {
            let name = table.asked.clone();
            let saveable = self.table_saveable(&table, &name)?;
            self.add_saveable_object(saveable);
        }
        Ok(table)
    }

    fn dtype_of_value(&self, tensor: Output) -> Result<DType, Error> {
        let node = self.graph.get(tensor.node);
        node.and_then(|node| node.output_dtype(tensor.index))
            .ok_or_else(|| Error::Arguments("a table's value has no type".to_owned()))
    }

    /// What Savers save of a table, under this name: adds nodes that give its keys and values.
    ///
    /// Errors: as [`Scope::table_export`].
    pub fn table_saveable(&mut self, table: &Table, name: &str) -> Result<SaveableObject, Error> {
        let [keys, values] = self.table_export(table)?;
        Ok(table.saveable_of(keys, values, name))
    }

    /// All keys and all values of a table: `table.export()`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a table of another graph.
    pub fn table_export(&mut self, table: &Table) -> Result<[Output; 2], Error> {
        let mut inner = self.table_scope(table, "lookup_table_export_values")?;
        let mut inner = inner.colocate_with(table.handle)?;
        let node = inner.op("LookupTableExportV2").input(table.handle);
        let node = node.attr("Tkeys", Attr::Type(table.key_dtype));
        let node = node.attr("Tvalues", Attr::Type(table.value_dtype)).build()?;
        Ok([node.output(0), node.output(1)])
    }

    /// Gives keys values: `table.insert()`.
    ///
    /// Errors: `INVALID_ARGUMENT` for keys or values of other types than the table's.
    pub fn table_insert(
        &mut self,
        table: &Table,
        keys: impl Into<Operand>,
        values: impl Into<Operand>,
    ) -> Result<NodeId, Error> {
        let mut inner = self.table_scope(table, "lookup_table_insert")?;
        let keys = inner.tensor(keys, "keys")?;
        let values = inner.tensor(values, "values")?;
        let mut inner = inner.colocate_with(table.handle)?;
        inner.op("LookupTableInsertV2").input(table.handle).input(keys).input(values).build()
    }

    /// Takes keys out: `table.remove()`.
    ///
    /// Errors: `INVALID_ARGUMENT` for keys of another type than the table's.
    pub fn table_remove(
        &mut self,
        table: &Table,
        keys: impl Into<Operand>,
    ) -> Result<NodeId, Error> {
        let mut inner = self.table_scope(table, "lookup_table_remove")?;
        inner.op("LookupTableRemoveV2").input(table.handle).input(keys).build()
    }

    /// The values of keys, the default for those that it does not have: `table.lookup()`.
    ///
    /// Errors: `INVALID_ARGUMENT` for keys of another type than the table's.
    pub fn table_find(&mut self, table: &Table, keys: impl Into<Operand>) -> Result<Output, Error> {
        let mut inner = self.table_scope(table, "lookup_table_find")?;
        let keys = inner.tensor(keys, "keys")?;
        let mut inner = inner.colocate_with(table.handle)?;
        let find = inner.op("LookupTableFindV2").input(table.handle).input(keys);
        find.input(table.default_value).build_one()
    }

    /// How many keys a table has: `table.size()`.
    ///
    /// Errors: `INVALID_ARGUMENT` for a table of another graph.
    pub fn table_size(&mut self, table: &Table) -> Result<Output, Error> {
        let mut inner = self.table_scope(table, "Size")?;
        let mut inner = inner.colocate_with(table.handle)?;
        inner.op("LookupTableSizeV2").input(table.handle).build_one()
    }

    /// The scope of a table's op, `table_what`, or the name that was asked for.
    fn table_scope(&mut self, table: &Table, what: &str) -> Result<super::Entered<'_>, Error> {
        let name = self.op_name.take().unwrap_or_else(|| format!("{}_{what}", table.name));
        self.name_scope(&name)
    }
}

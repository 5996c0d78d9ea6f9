//! The ops that make tables.

use std::sync::{Arc, OnceLock};

use flowkeep_tensor::{DType, Shape};

use super::table::Table;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::resource::ResourceHandle;

/// Gives the handle of a table, which is made on the first run.
///
/// Shapes: the handle is a scalar.  Types: keys i32, i64 or string; values those, floats or bool.
/// Errors: `INVALID_ARGUMENT` if a table of that name has other types.
/// Source: OpDefs `HashTableV2` and its like. Without `shared_name` the table is the node's own,
/// unless `use_node_name_sharing` makes the node's name its name. The forms without `V2` give the
/// same handle through an output that is declared a string reference.
struct MakeTable {
    container: String,
    /// `None`: the table is the node's own.
    shared_name: Option<String>,
    key_dtype: DType,
    value_dtype: DType,
    value_shape: Shape,
    mutable: bool,
    handle: OnceLock<ResourceHandle>,
}

pub(super) fn hash_table(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    make(init, Shape::SCALAR, false)
}

pub(super) fn mutable_hash_table(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    make(init, Shape::SCALAR, true)
}

pub(super) fn mutable_of_tensors(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    let partial = init.attr_shape("value_shape")?;
    let shape = partial.to_shape().ok_or_else(|| {
        Status::invalid_argument(format!("value_shape {partial} is not fully defined"))
    })?;
    make(init, shape, true)
}

fn make(
    init: &KernelInit<'_>,
    value_shape: Shape,
    mutable: bool,
) -> Result<Box<dyn OpKernel>, Status> {
    let shared_name = match init.attr_str("shared_name")? {
        "" if init.attr_bool("use_node_name_sharing")? => Some(init.node_name()),
        "" => None,
        name => Some(name),
    };
    Ok(Box::new(MakeTable {
        container: init.attr_str("container")?.to_owned(),
        shared_name: shared_name.map(str::to_owned),
        key_dtype: init.attr_type("key_dtype")?,
        value_dtype: init.attr_type("value_dtype")?,
        value_shape,
        mutable,
        handle: OnceLock::new(),
    }))
}

impl OpKernel for MakeTable {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let handle = match self.handle.get() {
            Some(handle) => handle.clone(),
            None => {
                let handle = self.find(cx)?;
                self.handle.get_or_init(|| handle).clone()
            }
        };
        cx.set_output(0, handle)
    }
}

impl MakeTable {
    fn find(&self, cx: &KernelContext<'_>) -> Result<ResourceHandle, Status> {
        let (key, value) = (self.key_dtype, self.value_dtype);
        let table = Arc::new(Table::new(key, value, self.value_shape.clone(), self.mutable)?);
        let Some(name) = &self.shared_name else {
            return Ok(ResourceHandle::private(cx.node_name(), table));
        };
        let handle =
            cx.resources().lookup_or_create(&self.container, Table::KIND, name, || table as Arc<_>);
        let table = handle.get::<Table>()?;
        if (table.key_dtype(), table.value_dtype()) != (key, value) {
            return Err(Status::invalid_argument(format!(
                "Conflicting key/value dtypes {key}->{value} with {}-{} for table {name}",
                table.key_dtype(),
                table.value_dtype()
            )));
        }
        Ok(handle)
    }
}

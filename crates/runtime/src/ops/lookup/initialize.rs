//! The ops that fill tables from tensors.

use super::access::{Signature, typed};
use super::table::Table;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};
use crate::resource::ResourceHandle;

/// Fills a table, which happens once.
///
/// Shapes: `keys [n]`, `values [n]`.
/// Errors: `INVALID_ARGUMENT` for other types or shapes, no keys, or a mutable table;
/// `FAILED_PRECONDITION` for two values of one key, or a table that has another number of entries.
/// Source: OpDefs `InitializeTable`, `InitializeTableV2`.
struct InitializeTable(Signature);

pub(super) fn initialize_table(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(InitializeTable(Signature::new(init))))
}

impl OpKernel for InitializeTable {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        check_initializable(cx.resource(0)?)?;
        let table = self.0.table(cx, &[true, false], &[])?;
        let keys = typed(cx, 1, table.key_dtype())?;
        let values = typed(cx, 2, table.value_dtype())?;
        for (tensor, name) in [(keys, "Keys"), (values, "Values")] {
            if tensor.shape().rank() != 1 {
                return Err(Status::invalid_argument(format!(
                    "{name} must be a vector, but received shape{}",
                    tensor.shape()
                )));
            }
        }
        if keys.n_elements() != values.n_elements() {
            return Err(Status::invalid_argument(format!(
                "Keys and values must have the same size {} vs {}",
                keys.n_elements(),
                values.n_elements()
            )));
        }
        table.initialize(keys, values)
    }
}

/// Checks that the table of this handle is of the kind that is initialized.
pub(super) fn check_initializable(handle: &ResourceHandle) -> Result<(), Status> {
    if handle.get::<Table>()?.is_mutable() {
        return Err(Status::invalid_argument(format!(
            "Table {} {} is not initializable",
            handle.container(),
            handle.name()
        )));
    }
    Ok(())
}

/// Replaces all entries of a mutable table; fills another one, which happens once.
///
/// Shapes: `keys [K..]`, `values [K.., V..]`.
/// Errors: as [`InitializeTable`], but for mutable tables.
/// Source: OpDefs `LookupTableImport`, `LookupTableImportV2`.
struct Import(Signature);

pub(super) fn import(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Import(Signature::new(init))))
}

impl OpKernel for Import {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let table = self.0.table(cx, &[true, false], &[])?;
        let keys = typed(cx, 1, table.key_dtype())?;
        table.import(keys, typed(cx, 2, table.value_dtype())?)
    }
}

//! The ops that look into tables and change them.

use std::sync::Arc;

use flowkeep_tensor::{DType, Tensor};

use super::table::Table;
use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};

/// The declared types of an op on a table, for the check against the table that it gets.
pub(super) struct Signature {
    handle: &'static str,
    inputs: Vec<DType>,
    outputs: Vec<DType>,
}

impl Signature {
    pub(super) fn new(init: &KernelInit<'_>) -> Signature {
        let types = init.input_types();
        let handle = match types.first() {
            Some(DType::Resource) => "resource",
            _ => "string_ref",
        };
        let inputs = types.get(1..).unwrap_or_default().to_vec();
        Signature { handle, inputs, outputs: init.output_types().to_vec() }
    }

    /// The table at input 0.
    ///
    /// Errors: `INVALID_ARGUMENT` if its types are not those of the op, which takes `inputs` and
    /// gives `outputs`, each a key (`true`) or a value.
    pub(super) fn table(
        &self,
        cx: &KernelContext<'_>,
        inputs: &[bool],
        outputs: &[bool],
    ) -> Result<Arc<Table>, Status> {
        let table = cx.resource(0)?.get::<Table>()?;
        let dtype = |is_key: &bool| if *is_key { table.key_dtype() } else { table.value_dtype() };
        let expected_inputs: Vec<DType> = inputs.iter().map(dtype).collect();
        let expected_outputs: Vec<DType> = outputs.iter().map(dtype).collect();
        if expected_inputs != self.inputs || expected_outputs != self.outputs {
            return Err(Status::invalid_argument(format!(
                "Signature mismatch, have: {} expected: {}",
                self.text(&self.inputs, &self.outputs),
                self.text(&expected_inputs, &expected_outputs)
            )));
        }
        Ok(table)
    }

    fn text(&self, inputs: &[DType], outputs: &[DType]) -> String {
        let names = |types: &[DType]| types.iter().map(|dtype| dtype.name()).collect::<Vec<_>>();
        let inputs = [vec![self.handle], names(inputs)].concat();
        format!("{}->{}", inputs.join(", "), names(outputs).join(", "))
    }
}

/// The tensor at input `idx`, which must be of type `dtype`.
pub(super) fn typed<'a>(
    cx: &'a KernelContext<'_>,
    idx: usize,
    dtype: DType,
) -> Result<&'a Tensor, Status> {
    let tensor = cx.input(idx)?;
    if tensor.dtype() != dtype {
        let got = tensor.dtype();
        return Err(flowkeep_tensor::Error::DTypeMismatch { expected: dtype, got }.into());
    }
    Ok(tensor)
}

/// Looks up the values of keys.
///
/// Shapes: `keys [K..]`, `default_value [V..]` → `[K.., V..]` with the table's value shape `V..`;
/// the default may also be `[K.., V..]`, of which a table that is not mutable takes the first row.
/// Errors: `FAILED_PRECONDITION` before the table is initialized; `INVALID_ARGUMENT` for other types
/// or shapes.
/// Source: OpDefs `LookupTableFind`, `LookupTableFindV2`.
struct Find(Signature);

pub(super) fn find(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Find(Signature::new(init))))
}

impl OpKernel for Find {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let table = self.0.table(cx, &[true, false], &[false])?;
        let keys = typed(cx, 1, table.key_dtype())?;
        let values = table.find(keys, typed(cx, 2, table.value_dtype())?)?;
        cx.set_output(0, values)
    }
}

/// Gives the number of entries; 0 before the table is initialized.
///
/// Shapes: a scalar.  Types: i64.  Source: OpDefs `LookupTableSize`, `LookupTableSizeV2`.
struct Size;

pub(super) fn size(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Size))
}

impl OpKernel for Size {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let len = cx.resource(0)?.get::<Table>()?.len();
        cx.set_output(0, Tensor::scalar(i64::try_from(len).unwrap_or(i64::MAX)))
    }
}

/// Gives all entries, in no particular order.
///
/// Shapes: `keys [n]`, `values [n, V..]`.
/// Errors: `ABORTED` before the table is initialized; `INVALID_ARGUMENT` for other types.
/// Source: OpDefs `LookupTableExport`, `LookupTableExportV2`.
struct Export(Signature);

pub(super) fn export(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Export(Signature::new(init))))
}

impl OpKernel for Export {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (keys, values) = self.0.table(cx, &[], &[true, false])?.export()?;
        cx.set_output(0, keys)?;
        cx.set_output(1, values)
    }
}

/// Adds entries to a mutable table, or replaces the values of keys that it has.
///
/// Shapes: `keys [K..]`, `values [K.., V..]`.
/// Errors: `UNIMPLEMENTED` if the table is not mutable; `INVALID_ARGUMENT` for other types or shapes.
/// Source: OpDefs `LookupTableInsert`, `LookupTableInsertV2`.
struct Insert(Signature);

pub(super) fn insert(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Insert(Signature::new(init))))
}

impl OpKernel for Insert {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let table = self.0.table(cx, &[true, false], &[])?;
        let keys = typed(cx, 1, table.key_dtype())?;
        table.insert(keys, typed(cx, 2, table.value_dtype())?)
    }
}

/// Removes entries from a mutable table; keys that it does not have are ignored.
///
/// Shapes: any.
/// Errors: `UNIMPLEMENTED` if the table is not mutable; `INVALID_ARGUMENT` for another type.
/// Source: OpDef `LookupTableRemoveV2`.
struct Remove(Signature);

pub(super) fn remove(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Remove(Signature::new(init))))
}

impl OpKernel for Remove {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let table = self.0.table(cx, &[true], &[])?;
        table.remove(typed(cx, 1, table.key_dtype())?)
    }
}

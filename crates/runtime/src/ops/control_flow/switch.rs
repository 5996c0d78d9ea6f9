use flowkeep_tensor::Tensor;

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};

/// Hands `data` to output 1 if `pred` is true, else to output 0; the other output is dead.
///
/// Errors: `INVALID_ARGUMENT` if `pred` is no scalar.
/// Source: OpDefs `Switch`, `RefSwitch`.
struct Switch;

impl OpKernel for Switch {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let pred = cx.input(1)?;
        if !pred.dims().is_empty() {
            let shape = pred.shape();
            return Err(Status::invalid_argument(format!(
                "The second input must be a scalar, but it has shape {shape}"
            )));
        }
        let is_true = pred.to_scalar::<bool>()?;
        let data = cx.take_value(0)?;
        cx.set_output(usize::from(is_true), data)
    }
}

pub(super) fn switch(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Switch))
}

/// Hands `data` to the output that `output_index` means, or to the last one; the others are dead.
///
/// Errors: `INVALID_ARGUMENT` if `output_index` is no scalar.
/// Source: OpDef `_SwitchN`.
struct SwitchN;

impl OpKernel for SwitchN {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let index = cx.input(1)?;
        if !index.dims().is_empty() {
            let shape = index.shape();
            return Err(Status::invalid_argument(format!(
                "The second input must be a scalar, but it has shape {shape}"
            )));
        }
        let n = cx.n_outputs();
        let index = usize::try_from(index.to_scalar::<i32>()?).ok().filter(|index| *index < n);
        let data = cx.take_value(0)?;
        cx.set_output(index.unwrap_or(n.saturating_sub(1)), data)
    }
}

pub(super) fn switch_n(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(SwitchN))
}

/// Hands on the input that is there, and says which it is.
///
/// Source: OpDefs `Merge`, `RefMerge`.
struct Merge;

impl OpKernel for Merge {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let idx = (0..cx.n_inputs()).find(|idx| cx.has_input(*idx));
        let idx = idx.ok_or_else(|| Status::internal("no input of the merge is alive"))?;
        let value = cx.take_value(idx)?;
        cx.set_output(0, value)?;
        let idx = i32::try_from(idx).map_err(|_| Status::internal("too many inputs"))?;
        cx.set_output(1, Tensor::scalar(idx))
    }
}

pub(super) fn merge(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(Merge))
}

use crate::kernel::{KernelContext, KernelInit, OpKernel, Status};

/// Hands on the reference that `index` means.
///
/// Errors: `INVALID_ARGUMENT` if `index` is no scalar or out of range.
/// Source: OpDef `RefSelect`.
struct RefSelect;

impl OpKernel for RefSelect {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let index = cx.input(0)?;
        if !index.dims().is_empty() {
            let shape = index.shape();
            let message = format!("Index must be a scalar, but it has shape {shape}");
            return Err(Status::invalid_argument(message));
        }
        let index = index.to_scalar::<i32>()?;
        let n = cx.n_inputs() - 1;
        match usize::try_from(index).ok().filter(|index| *index < n) {
            Some(index) => {
                let value = cx.take_value(index + 1)?;
                cx.set_output(0, value)
            }
            None => {
                let message = format!("Index must be in the range [0, {n}) but got {index}");
                Err(Status::invalid_argument(message))
            }
        }
    }
}

pub(super) fn ref_select(_: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(RefSelect))
}

use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};

use super::Built;
use super::v1::Saving;

/// Saves tensors, or slices of tensors, as a V1 checkpoint of one file.
///
/// Inputs: the file's path (one string), the names (`n` strings of any shape), the slice
/// specifications (`n` strings of any shape, empty for a whole tensor), and the `n` tensors. All else
/// is as in `Save`, but that a name may be there several times, for different slices.
///
/// Errors: those of `Save`; `INVALID_ARGUMENT` for another number of specifications, ones that are
/// malformed or do not fit their tensor, and slices that overlap; `INTERNAL` for a slice outside of
/// its shape.
/// Source: OpDef `SaveSlices`. TensorFlow also writes slices that overlap; it cannot read such files.
struct SaveSlices(Saving);

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(SaveSlices(Saving::new(init)?)))
}

impl OpKernel for SaveSlices {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let specs = cx.input(2)?.as_strings()?;
        self.0.save(cx, Some(specs), 3)
    }
}

use flowkeep_runtime::kernel::{KernelContext, KernelInit, OpKernel, Status};

use super::Built;
use super::v1::Saving;

/// Saves tensors as a V1 checkpoint of one file.
///
/// Inputs: the file's path (one string), the names (`n` strings of any shape), and the `n` tensors.
/// The file has them in the order of their names. Its directory must be there; a file that is there
/// is replaced, and stays as it was if the save fails.
///
/// Errors: `INVALID_ARGUMENT` for several paths, another number of names, a name that is there twice
/// or is not UTF-8, tensors whose record might exceed 2 GiB, and unsigned integers of 32 and 64 bits;
/// `UNIMPLEMENTED` for all other types that V1 checkpoints do not hold; `INTERNAL` for a name that is
/// there twice with another type or shape; `NOT_FOUND` if the directory is missing; what the system
/// reports.
/// Source: OpDef `Save`. TensorFlow also writes names that are there twice or are not UTF-8; it
/// cannot read such files.
struct Save(Saving);

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(Save(Saving::new(init)?)))
}

impl OpKernel for Save {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        self.0.save(cx, None, 2)
    }
}

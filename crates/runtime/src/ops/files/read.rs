use bytes::Bytes;
use flowkeep_tensor::Tensor;

use super::{io_status, path, scalar};
use crate::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

/// Gives the content of a file.
///
/// Shapes: `filename` a scalar → a scalar string.
/// Errors: `INVALID_ARGUMENT` for another shape, `PERMISSION_DENIED` for a file that the graph may not read,
/// `NOT_FOUND` and its like for the file, `UNIMPLEMENTED` for other file systems.
/// Source: OpDef `ReadFile`.
struct ReadFile {
    access: FileAccess,
}

pub(super) fn read_file(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(ReadFile { access: init.file_access() }))
}

impl OpKernel for ReadFile {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let path = path(scalar(cx.input(0)?, "Input filename")?)?;
        self.access.check(FileUse::Read, &path)?;
        let content = std::fs::read(&path).map_err(|error| io_status(&path, &error))?;
        cx.set_output(0, Tensor::scalar_string(Bytes::from(content)))
    }
}

use std::fs;
use std::path::Path;

use super::{io_status, path, scalar};
use crate::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

/// Writes a file, with the folders that it is in; one that is there is replaced.
///
/// Shapes: `filename` and `contents` are scalars.
/// Errors: `INVALID_ARGUMENT` for other shapes, `PERMISSION_DENIED` for a file that the graph may not write,
/// what the system reports, `UNIMPLEMENTED` for other file systems.
/// Source: OpDef `WriteFile`.
struct WriteFile {
    access: FileAccess,
}

pub(super) fn write_file(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(WriteFile { access: init.file_access() }))
}

impl OpKernel for WriteFile {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let filename = scalar(cx.input(0)?, "Input filename")?;
        let contents = scalar(cx.input(1)?, "Contents")?;
        // TensorFlow looks for the folder first, and names it where it cannot.
        let n_folder = filename.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        path(filename.get(..n_folder).unwrap_or_default())?;
        let path = path(filename)?;
        self.access.check(FileUse::Write, &path)?;
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            // Where it cannot be made, the file says why.
            let _ = fs::create_dir_all(folder);
        }
        fs::write(&path, contents).map_err(|error| io_status(&path, &error))
    }
}

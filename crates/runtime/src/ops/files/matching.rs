use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use flowkeep_tensor::{Tensor, glob};

use super::{io_status, path};
use crate::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

/// The most files that one run of the op gives.
const MAX_FILES: usize = 1 << 20;

/// Lists the files whose paths match a pattern, sorted.
///
/// Shapes: `pattern` a scalar or vector `[P]` → `[N]`.
/// Errors: `INVALID_ARGUMENT` for another shape, `PERMISSION_DENIED` for folders that the graph may not
/// read, what the system reports, `RESOURCE_EXHAUSTED` for too many files.
/// Source: OpDef `MatchingFiles`.
struct MatchingFiles {
    access: FileAccess,
}

pub(super) fn matching_files(init: &KernelInit<'_>) -> Result<Box<dyn OpKernel>, Status> {
    Ok(Box::new(MatchingFiles { access: init.file_access() }))
}

impl OpKernel for MatchingFiles {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let patterns = cx.input(0)?;
        if patterns.shape().rank() > 1 {
            return Err(Status::invalid_argument(format!(
                "Input patterns tensor must be scalar or vector, but had shape: {}",
                patterns.shape()
            )));
        }
        let mut found = Vec::new();
        for pattern in patterns.as_strings()? {
            for file in self.matching(&path(pattern)?)? {
                found.push(Bytes::from(file.into_os_string().into_encoded_bytes()));
            }
        }
        found.sort();
        cx.set_output(0, Tensor::from_strings([found.len()], found)?)
    }
}

impl MatchingFiles {
    /// The paths that match, component by component.
    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, Status> {
        let mut paths = vec![PathBuf::new()];
        for component in pattern.components() {
            let name = component.as_os_str();
            let is_pattern = matches!(component, Component::Normal(_))
                && glob::is_pattern(name.as_encoded_bytes());
            let mut next = Vec::new();
            for path in paths {
                match is_pattern {
                    true => next.extend(self.entries(&path, name.as_encoded_bytes())?),
                    false => next.push(path.join(name)),
                }
                if next.len() > MAX_FILES {
                    return Err(Status::resource_exhausted(format!(
                        "more than {MAX_FILES} files match {}",
                        pattern.display()
                    )));
                }
            }
            paths = next;
        }
        for path in &paths {
            self.access.check(FileUse::Read, path)?;
        }
        paths.retain(|path| path.symlink_metadata().is_ok());
        Ok(paths)
    }

    /// What of a folder matches; nothing if it is none.
    fn entries(&self, folder: &Path, pattern: &[u8]) -> Result<Vec<PathBuf>, Status> {
        let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        self.access.check(FileUse::Read, here)?;
        let failed = |error: io::Error| io_status(here, &error);
        let entries = match fs::read_dir(here) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut matching = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if glob::matches(pattern, name.as_encoded_bytes()) {
                matching.push(folder.join(name));
            }
        }
        Ok(matching)
    }
}

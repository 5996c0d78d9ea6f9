//! TensorFlow's ops on whole files. Who runs the graph decides which files they may touch
//! ([`FileAccess`](crate::kernel::FileAccess)).

mod matching;
mod read;
mod write;

use std::borrow::Cow;
use std::io;
use std::path::Path;

use flowkeep_tensor::{Code, Tensor};

use crate::kernel::{FileUse, OpRegistration, Status, op};

/// The table of this family, sorted by op.
pub(super) const OPS: &[OpRegistration] = &[
    op("MatchingFiles").cpu(matching::matching_files).files(FileUse::Read),
    op("ReadFile").cpu(read::read_file).files(FileUse::Read),
    op("WriteFile").cpu(write::write_file).files(FileUse::Write),
];

/// The path that a string means.
///
/// Errors: `UNIMPLEMENTED` for `scheme://` of anything but files.
fn path(bytes: &[u8]) -> Result<Cow<'_, Path>, Status> {
    let text = String::from_utf8_lossy(bytes);
    if let Some((scheme, rest)) = text.split_once("://") {
        return match scheme {
            "file" => Ok(Path::new(rest).to_owned().into()),
            _ => Err(Status::unimplemented(format!(
                "File system scheme '{scheme}' not implemented (file: '{text}')"
            ))),
        };
    }
    #[cfg(unix)]
    let path = {
        use std::os::unix::ffi::OsStrExt as _;
        Path::new(std::ffi::OsStr::from_bytes(bytes)).into()
    };
    #[cfg(not(unix))]
    let path = Path::new(text.as_ref()).to_owned().into();
    Ok(path)
}

/// The only string of a scalar.
///
/// Errors: `INVALID_ARGUMENT` for other shapes, which the op calls `what`.
fn scalar<'a>(tensor: &'a Tensor, what: &str) -> Result<&'a [u8], Status> {
    match tensor.as_strings()? {
        [string] if tensor.shape().is_scalar() => Ok(string),
        _ => {
            let message =
                format!("{what} tensor must be scalar, but had shape: {}", tensor.shape());
            Err(Status::invalid_argument(message))
        }
    }
}

/// The status of a failed file operation, in TensorFlow's words.
fn io_status(path: &Path, error: &io::Error) -> Status {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    Status::new(Code::of_io(error), format!("{}; {text}", path.display()))
}

//! Outputs of `flowkeep run` as files: `.npy` that NumPy loads, `.json` where that would lose something.

mod file_name;
mod npy;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flowkeep_saved_model::json_tensor;
use flowkeep_tensor::{Code, Tensor};

use crate::error::Error;

/// Writes an output into `dir`, which is made if needed, and gives the file's path.
///
/// The file is `<key>.npy`. Strings that NumPy's arrays of fixed width cannot hold are written as
/// `<key>.json`, in TensorFlow Serving's JSON form.
/// Errors: `ALREADY_EXISTS` if the file is there and `overwrite` is false; those of writing files.
pub(crate) fn save(
    dir: &Path,
    key: &str,
    tensor: &Tensor,
    overwrite: bool,
) -> Result<PathBuf, Error> {
    fs::create_dir_all(dir).map_err(|source| Error::Io { path: dir.to_owned(), source })?;
    let stem = file_name::of_key(key);
    let (path, content) = match npy::encode(tensor) {
        Some(content) => (dir.join(format!("{stem}.npy")), content),
        None => {
            let value = json_tensor::write(tensor).map_err(|error| Error::Failed {
                code: error.code(),
                message: error.to_string(),
            })?;
            (dir.join(format!("{stem}.json")), format!("{value}\n").into_bytes())
        }
    };
    match write(&path, &content, overwrite) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Failed {
            code: Code::AlreadyExists,
            message: format!(
                "Output file {} already exists. Add \"--overwrite\" to overwrite the existing output files.",
                path.display()
            ),
        }),
        Err(source) => Err(Error::Io { path, source }),
    }
}

fn write(path: &Path, content: &[u8], overwrite: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    options.open(path)?.write_all(content)
}

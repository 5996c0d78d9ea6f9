//! Outputs of `flowkeep run` as files: `.npy` that NumPy loads, `.json` where that would lose something.

mod file_name;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flowkeep_ckpt::interchange::FormatError;
use flowkeep_ckpt::interchange::npy::Encoded;
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
    fs::create_dir_all(dir).map_err(|source| match dir.exists() && !dir.is_dir() {
        true => Error::Failed {
            code: Code::AlreadyExists,
            message: format!(
                "{} is no directory; outputs are written into one, as files of their own",
                dir.display()
            ),
        },
        false => Error::Io { path: dir.to_owned(), source },
    })?;
    let stem = file_name::of_key(key);
    let (path, written) = match Encoded::new(tensor) {
        Ok(array) => {
            let path = dir.join(format!("{stem}.npy"));
            let written = create(&path, overwrite)
                .map_err(FormatError::from)
                .and_then(|mut file| array.for_each_piece(|piece| file.write_all(piece)));
            (path, written)
        }
        Err(_) => {
            let value = json_tensor::write(tensor).map_err(|error| Error::Failed {
                code: error.code(),
                message: error.to_string(),
            })?;
            let path = dir.join(format!("{stem}.json"));
            let written = create(&path, overwrite).and_then(|mut file| writeln!(file, "{value}"));
            (path, written.map_err(FormatError::from))
        }
    };
    match written {
        Ok(()) => Ok(path),
        Err(FormatError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::Failed {
                code: Code::AlreadyExists,
                message: format!(
                    "Output file {} already exists. Add \"--overwrite\" to overwrite the existing output files.",
                    path.display()
                ),
            })
        }
        Err(FormatError::Io(source)) => Err(Error::Io { path, source }),
        Err(error) => Err(error.into()),
    }
}

fn create(path: &Path, overwrite: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    options.open(path)
}

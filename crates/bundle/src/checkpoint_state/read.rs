use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{CheckpointState, LATEST_FILENAME, checkpoint_exists};
use crate::Error;

/// The longest state file that is read, in bytes.
const MAX_LEN: u64 = 16 << 20;

impl CheckpointState {
    /// Reads the state file of a directory, `checkpoint` unless another name is given; `None` if
    /// there is no such file. Relative paths in it are joined to `dir`.
    ///
    /// Unlike [`get_checkpoint_state`], this tells why a file is not usable.
    ///
    /// Errors: `DATA_LOSS` for a file that does not parse, is not UTF-8 or has more than 16 MiB;
    /// `INVALID_ARGUMENT` for one without `model_checkpoint_path`; what the system reports if it
    /// cannot be read.
    pub fn read(
        dir: &Path,
        latest_filename: Option<&str>,
    ) -> Result<Option<CheckpointState>, Error> {
        read_file(&dir.join(latest_filename.unwrap_or(LATEST_FILENAME)), dir)
    }
}

/// Reads a state file with relative paths joined to `dir`; see [`CheckpointState::read`].
pub(crate) fn read_file(path: &Path, dir: &Path) -> Result<Option<CheckpointState>, Error> {
    let bytes = match read_capped(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
                _ => Err(Error::Io { path: path.into(), source: error }),
            };
        }
    };
    let ignored = |what| Error::CheckpointStateIgnored { path: path.into(), what };
    let bytes = bytes.ok_or_else(|| ignored(format!("it has more than {MAX_LEN} bytes")))?;
    let text = String::from_utf8(bytes).map_err(|error| ignored(error.to_string()))?;
    let mut state = CheckpointState::parse(&text).map_err(|error| ignored(error.to_string()))?;
    if state.model_checkpoint_path.as_os_str().is_empty() {
        return Err(Error::InvalidCheckpointState {
            what: format!("Invalid checkpoint state loaded from {}", dir.display()),
        });
    }
    state.model_checkpoint_path = dir.join(&state.model_checkpoint_path);
    for path in &mut state.all_model_checkpoint_paths {
        *path = dir.join(&path);
    }
    Ok(Some(state))
}

/// The bytes of a file; `None` if there are too many.
fn read_capped(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let n_read = File::open(path)?.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(n_read).is_ok_and(|n_read| n_read <= MAX_LEN);
    Ok(fits.then_some(bytes))
}

/// The state of a directory as TensorFlow sees it: `None` if there is no state file, and also if
/// there is one that cannot be read or parsed. [`CheckpointState::read`] tells the two apart.
///
/// Errors: `INVALID_ARGUMENT` for a state without `model_checkpoint_path`.
pub fn get_checkpoint_state(
    dir: &Path,
    latest_filename: Option<&str>,
) -> Result<Option<CheckpointState>, Error> {
    match CheckpointState::read(dir, latest_filename) {
        Err(Error::CheckpointStateIgnored { .. } | Error::Io { .. }) => Ok(None),
        result => result,
    }
}

/// The prefix of the latest checkpoint of a directory: what its state file names, if that is there.
///
/// `None` if it is not, even if the directory has other checkpoints;
/// [`Location::find`](crate::Location::find) looks further and says what it saw.
///
/// Errors: as [`get_checkpoint_state`].
pub fn latest_checkpoint(
    dir: &Path,
    latest_filename: Option<&str>,
) -> Result<Option<PathBuf>, Error> {
    let state = get_checkpoint_state(dir, latest_filename)?;
    Ok(state.map(|state| state.model_checkpoint_path).filter(|prefix| checkpoint_exists(prefix)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flowkeep_tensor::Code;

    use super::*;

    fn refused(contents: &[u8], code: Code, what: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        fs::write(&path, contents).unwrap();
        let error = CheckpointState::read(dir.path(), None).unwrap_err();
        let expected = what
            .replace("FILE", &path.display().to_string())
            .replace("DIR", &dir.path().display().to_string());
        assert_eq!((error.code(), error.to_string()), (code, expected));
    }

    #[test]
    fn unusable_files_are_told_from_missing_ones() {
        refused(
            b"junk",
            Code::DataLoss,
            "FILE: Checkpoint ignored: 1:1 : Message type \"tensorflow.CheckpointState\" has no field named \"junk\".",
        );
        refused(
            b"\xff",
            Code::DataLoss,
            "FILE: Checkpoint ignored: invalid utf-8 sequence of 1 bytes from index 0",
        );
        refused(b"", Code::InvalidArgument, "Invalid checkpoint state loaded from DIR");
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(CheckpointState::read(dir.path(), None).unwrap(), None);
        fs::write(dir.path().join("file"), b"").unwrap();
        assert_eq!(CheckpointState::read(&dir.path().join("file"), None).unwrap(), None);
        fs::create_dir(dir.path().join("checkpoint")).unwrap();
        assert!(matches!(CheckpointState::read(dir.path(), None), Err(Error::Io { .. })));
        assert_eq!(get_checkpoint_state(dir.path(), None).unwrap(), None);
    }

    #[test]
    fn files_beyond_the_limit_are_ignored() {
        let mut contents = b"model_checkpoint_path: 'm'".to_vec();
        contents.resize(16 << 20, b' ');
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        fs::write(&path, &contents).unwrap();
        assert!(get_checkpoint_state(dir.path(), None).unwrap().is_some());
        contents.push(b' ');
        fs::write(&path, &contents).unwrap();
        assert_eq!(get_checkpoint_state(dir.path(), None).unwrap(), None);
        refused(
            &contents,
            Code::DataLoss,
            "FILE: Checkpoint ignored: it has more than 16777216 bytes",
        );
    }
}

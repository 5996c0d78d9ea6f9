//! The files of a V1 checkpoint.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flowkeep_tensor::glob;

use crate::Error;
use crate::reader::with_suffix;

/// The file that holds shard `number` of `n_shards`, of a checkpoint in several files.
///
/// ```
/// # use std::path::Path;
/// let path = flowkeep_bundle::v1::shard_path(Path::new("m"), 1, 3);
/// assert_eq!(path, Path::new("m-00001-of-00003"));
/// ```
pub fn shard_path(prefix: &Path, number: u32, n_shards: u32) -> PathBuf {
    with_suffix(prefix, &format!("-{number:05}-of-{n_shards:05}"))
}

/// The pattern under which the files of a checkpoint in `n_shards` files are known together.
///
/// ```
/// # use std::path::Path;
/// let pattern = flowkeep_bundle::v1::shard_pattern(Path::new("m"), 3);
/// assert_eq!(pattern, Path::new("m-?????-of-00003"));
/// ```
pub fn shard_pattern(prefix: &Path, n_shards: u32) -> PathBuf {
    with_suffix(prefix, &format!("-?????-of-{n_shards:05}"))
}

/// The files that a path means: the file of exactly this name, or those whose names match the last
/// component of the path, in order of their names.
///
/// Errors: `NOT_FOUND` if there are none; what the system reports.
pub(super) fn matching(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.exists() {
        return Ok(vec![path.into()]);
    }
    let none = || Error::NoCheckpoint { prefix: path.into() };
    let name = path.file_name().map(|name| name.as_encoded_bytes());
    let pattern = name.filter(|name| glob::is_pattern(name)).ok_or_else(none)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    let here = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => none(),
        _ => Error::invalid(format!(
            "Unsuccessful TensorSliceReader constructor: Failed to get matching files on {}: {error}",
            path.display()
        )),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(here).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if glob::matches(pattern, name.as_encoded_bytes()) {
            files.push(parent.join(name));
        }
    }
    files.sort();
    if files.is_empty() { Err(none()) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_patterns() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["m-00001-of-00002", "m-00000-of-00002", "m-00000-of-00003", "[m]", "m"] {
            fs::write(path(name), "").unwrap();
        }
        let found = |name: &str| matching(&path(name)).map_err(|error| error.to_string());
        assert_eq!(
            found("m-?????-of-00002").unwrap(),
            [path("m-00000-of-00002"), path("m-00001-of-00002")]
        );
        assert_eq!(found("m-?????-of-?????").unwrap().len(), 3);
        assert_eq!(found("[m]").unwrap(), [path("[m]")]);
        assert_eq!(found("[m]?").unwrap_err(), nothing(&path("[m]?")));
        for name in ["n", "m-?????-of-00009", "none/m-?", "m/?"] {
            let error = matching(&path("x").with_file_name(name)).unwrap_err();
            assert_eq!(error.to_string(), nothing(&path("x").with_file_name(name)), "{name}");
        }
    }

    fn nothing(path: &Path) -> String {
        let path = path.display();
        format!(
            "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {path}"
        )
    }
}

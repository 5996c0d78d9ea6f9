//! What is where a SavedModel was looked for.

use std::cmp::Reverse;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The names that the message of a SavedModel may have.
const NAMES: [&str; 3] = ["saved_model.pb", "saved_model.cpb", "saved_model.pbtxt"];

/// The most files of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// What is where no SavedModel is, as the end of a sentence: `; did you mean models/2, the last of 2 in it?`
///
/// The last one is that of the greatest number, as model servers have their versions. Empty if there is nothing
/// to say.
pub fn instead_of_saved_model(path: &Path) -> String {
    if let Some(parent) = path.parent().filter(|parent| is_saved_model(parent)) {
        return format!("; did you mean {}?", shown(parent));
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return "; there is no such directory".into();
        }
        Err(error) => return format!("; {error}"),
    };
    if !metadata.is_dir() {
        return "; this is no directory".into();
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return format!("; {error}"),
    };
    let paths = entries.take(MAX_ENTRIES).flatten().map(|entry| entry.path());
    let mut models: Vec<PathBuf> = paths.filter(|path| is_saved_model(path)).collect();
    models.sort_by_key(|path| Reverse((version(path), path.clone())));
    match models.as_slice() {
        [] => String::new(),
        [only] => format!("; did you mean {}?", only.display()),
        [last, others @ ..] => {
            format!("; did you mean {}, the last of {} in it?", last.display(), 1 + others.len())
        }
    }
}

fn is_saved_model(dir: &Path) -> bool {
    NAMES.iter().any(|name| dir.join(name).is_file())
}

/// The version that the name of a directory is.
fn version(dir: &Path) -> Option<u64> {
    dir.file_name()?.to_str()?.parse().ok()
}

/// A path that may be the current directory.
fn shown(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => ".".into(),
        false => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_that_is_meant_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let model = |name: &str| {
            fs::create_dir_all(at(name).join("variables")).unwrap();
            fs::write(at(name).join("saved_model.pb"), "").unwrap();
        };
        assert_eq!(instead_of_saved_model(&at("none")), "; there is no such directory");
        assert_eq!(instead_of_saved_model(dir.path()), "");
        fs::write(at("file"), "").unwrap();
        assert_eq!(instead_of_saved_model(&at("file")), "; this is no directory");
        assert_eq!(instead_of_saved_model(&at("file/x")), "; there is no such directory");
        model("9");
        let nine = format!("; did you mean {}?", at("9").display());
        for path in [dir.path(), &at("9/variables"), &at("9/saved_model.pb")] {
            assert_eq!(instead_of_saved_model(path), nine, "{}", path.display());
        }
        model("10");
        model("latest");
        let ten = format!("; did you mean {}, the last of 3 in it?", at("10").display());
        assert_eq!(instead_of_saved_model(dir.path()), ten);
    }
}

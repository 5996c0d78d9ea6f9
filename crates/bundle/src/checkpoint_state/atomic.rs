use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Durability;

/// Puts a file in place whole: written as `<path>.tmp<32 hexadecimal digits>` and renamed. When that
/// fails, the temporary file is removed and `path` is as it was.
///
/// With [`Durability::Synced`] the bytes and the name are on the medium before this returns.
pub(super) fn write_atomically(
    path: &Path,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<()> {
    let temporary = temporary_path(path);
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let result = fill(file, bytes, durability).and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    result?;
    match durability {
        Durability::Synced => sync_dir_of(path),
        Durability::Unsynced => Ok(()),
    }
}

fn fill(mut file: File, bytes: &[u8], durability: Durability) -> io::Result<()> {
    file.write_all(bytes)?;
    match durability {
        Durability::Synced => file.sync_all(),
        Durability::Unsynced => Ok(()),
    }
}

fn temporary_path(path: &Path) -> PathBuf {
    // A hasher's keys are the randomness that the standard library has.
    let random = || RandomState::new().hash_one(std::process::id());
    let mut name = OsString::from(path);
    name.push(format!(".tmp{:016x}{:016x}", random(), random()));
    name.into()
}

/// Other systems than Unix do not open directories.
fn sync_dir_of(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn files_are_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        let (synced, unsynced) = (Durability::Synced, Durability::Unsynced);
        for (contents, durability) in [("first, and longer", unsynced), ("second", synced)] {
            write_atomically(&path, contents.as_bytes(), durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
            assert_eq!(names(dir.path()), ["checkpoint"]);
        }
    }

    #[test]
    fn failures_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint");
        fs::create_dir(&path).unwrap();
        assert!(
            write_atomically(&path, b"x", Durability::Unsynced).is_err(),
            "a file does not replace a folder"
        );
        assert_eq!(names(dir.path()), ["checkpoint"]);
        let missing = dir.path().join("none/checkpoint");
        let error = write_atomically(&missing, b"x", Durability::Synced).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn temporary_names_differ() {
        let (a, b) = (temporary_path("d/c".as_ref()), temporary_path("d/c".as_ref()));
        assert_ne!(a, b);
        let digits = a.to_str().unwrap().strip_prefix("d/c.tmp").unwrap();
        assert!(digits.len() == 32 && digits.chars().all(|d| "0123456789abcdef".contains(d)));
    }
}

//! Files and folders that are there whole or not at all: written beside their place, then renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file or folder that is being written beside its place. Dropped, it vanishes again.
pub(super) struct Beside {
    path: PathBuf,
    place: PathBuf,
    is_done: bool,
}

impl Beside {
    /// A new file beside `place`.
    pub(super) fn file(place: &Path) -> io::Result<(Beside, File)> {
        Beside::new(place, |path| File::create_new(path))
    }

    /// A new folder beside `place`.
    pub(super) fn dir(place: &Path) -> io::Result<Beside> {
        Beside::new(place, |path| fs::create_dir(path)).map(|(beside, ())| beside)
    }

    fn new<T>(place: &Path, create: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Beside, T)> {
        static N_MADE: AtomicU32 = AtomicU32::new(0);
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        loop {
            let number = N_MADE.fetch_add(1, Ordering::Relaxed);
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.tmp", std::process::id()));
            let path = place.with_file_name(hidden);
            match create(&path) {
                Ok(made) => {
                    return Ok((Beside { path, place: place.to_owned(), is_done: false }, made));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is being written.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it into its place. With `sync`, the change of the folder around it is on the disk
    /// afterwards; what is in a file must have been brought there before.
    pub(super) fn put(mut self, sync: bool) -> io::Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.is_done = true;
        #[cfg(unix)]
        if sync {
            if self.place.is_dir() {
                File::open(&self.place)?.sync_all()?;
            }
            let parent = self.place.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let _ = sync;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_done {
            // Nobody is left to tell of an error; the name says that it is temporary.
            let _ = match self.path.is_dir() {
                true => fs::remove_dir_all(&self.path),
                false => fs::remove_file(&self.path),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn nothing_is_left_of_what_was_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let (file, mut out) = Beside::file(&dir.path().join("x")).unwrap();
        out.write_all(b"half").unwrap();
        let folder = Beside::dir(&dir.path().join("x")).unwrap();
        fs::write(folder.path().join("part"), "half").unwrap();
        assert_eq!(names(dir.path()).len(), 2);
        drop((file, folder));
        assert_eq!(names(dir.path()).len(), 0);
    }

    #[test]
    fn what_is_finished_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        fs::write(&place, "old").unwrap();
        let (file, mut out) = Beside::file(&place).unwrap();
        out.write_all(b"new").unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"old");
        file.put(true).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert_eq!(names(dir.path()), ["x"]);
        assert!(Beside::file(Path::new("/")).is_err());
    }
}

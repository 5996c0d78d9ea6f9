use std::io;
use std::path::{Component, Path, PathBuf};

use flowkeep_tensor::Code;

use crate::kernel::Status;

/// What an op does to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// It reads files, or lists them.
    Read,
    /// It makes, changes or removes files.
    Write,
}

impl FileUse {
    /// What an op with this use does, as a verb: `reads` or `writes`.
    pub fn verb(self) -> &'static str {
        match self {
            FileUse::Read => "reads",
            FileUse::Write => "writes",
        }
    }
}

/// Which files the ops of a graph may touch: a setting of a [`Registry`](crate::Registry), by
/// [`Registry::set`](crate::Registry::set). Without one, a graph has the rights of the process.
///
/// An op that may touch nothing at all is refused before anything runs; one that may touch some files is
/// refused when it wants another. Paths are compared as the system resolves them, links included. What may be
/// written may be read.
///
/// ```
/// use flowkeep_runtime::Registry;
/// use flowkeep_runtime::kernel::FileAccess;
///
/// let mut registry = Registry::standard();
/// registry.set(FileAccess::none().with_read("models/vocabularies"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAccess {
    read: Reach,
    write: Reach,
}

/// How far one use of files goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    Everything,
    /// These files and folders, and what is in them.
    Within(Vec<PathBuf>),
}

impl Default for FileAccess {
    fn default() -> FileAccess {
        FileAccess::all()
    }
}

impl FileAccess {
    /// All that the process may do.
    pub fn all() -> FileAccess {
        FileAccess { read: Reach::Everything, write: Reach::Everything }
    }

    /// No file at all.
    pub fn none() -> FileAccess {
        FileAccess { read: Reach::Within(Vec::new()), write: Reach::Within(Vec::new()) }
    }

    /// The same, and `path` may be read: a file, or a folder with all that is in it.
    #[must_use]
    pub fn with_read(mut self, path: impl Into<PathBuf>) -> FileAccess {
        self.read.add(path.into());
        self
    }

    /// The same, and `path` may be written and read: a file, or a folder with all that is in it.
    #[must_use]
    pub fn with_write(mut self, path: impl Into<PathBuf>) -> FileAccess {
        self.write.add(path.into());
        self
    }

    /// Whether there is no file that may be used so.
    pub fn denies_all(&self, file_use: FileUse) -> bool {
        let is_empty = |reach: &Reach| matches!(reach, Reach::Within(paths) if paths.is_empty());
        match file_use {
            FileUse::Read => is_empty(&self.read) && is_empty(&self.write),
            FileUse::Write => is_empty(&self.write),
        }
    }

    /// Checks that a kernel may use the file, folder or prefix of files `path`, whether it exists or not.
    ///
    /// Errors: `PERMISSION_DENIED`, naming the path; what resolving it fails with.
    pub fn check(&self, file_use: FileUse, path: &Path) -> Result<(), Status> {
        let reaches = match file_use {
            FileUse::Read => [Some(&self.read), Some(&self.write)],
            FileUse::Write => [Some(&self.write), None],
        };
        let mut reaches = reaches.into_iter().flatten();
        if reaches.clone().any(|reach| *reach == Reach::Everything) {
            return Ok(());
        }
        let is_within = resolved(path).is_ok_and(|wanted| {
            reaches.any(|reach| reach.paths().any(|dir| wanted.starts_with(dir)))
        });
        if is_within {
            return Ok(());
        }
        let verb = match file_use {
            FileUse::Read => "reading",
            FileUse::Write => "writing",
        };
        Err(Status::new(
            Code::PermissionDenied,
            format!("{verb} {} is not allowed to this graph", path.display()),
        ))
    }
}

impl Reach {
    fn add(&mut self, path: PathBuf) {
        if let Reach::Within(paths) = self {
            paths.push(path);
        }
    }

    /// What is in reach, resolved; what cannot be resolved is not.
    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let paths = match self {
            Reach::Everything => &[],
            Reach::Within(paths) => &paths[..],
        };
        paths.iter().filter_map(|path| resolved(path).ok())
    }
}

/// The path without links and dots. The last components need not exist.
///
/// Errors: a link that leads nowhere, `..` after what does not exist, what the system reports.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match absolute.canonicalize() {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Who writes through a link that leads nowhere makes a file where it leads.
            let is_link = absolute.symlink_metadata().is_ok();
            match (absolute.parent(), absolute.components().next_back()) {
                (Some(parent), Some(Component::Normal(name))) if !is_link => {
                    Ok(resolved(parent)?.join(name))
                }
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(access: &FileAccess, file_use: FileUse, path: impl AsRef<Path>) -> bool {
        match access.check(file_use, path.as_ref()) {
            Ok(()) => true,
            Err(status) => {
                assert_eq!(status.code(), Code::PermissionDenied);
                false
            }
        }
    }

    #[test]
    fn paths_are_compared_as_they_resolve() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("in/deep")).unwrap();
        std::fs::create_dir(at("inside-not")).unwrap();
        std::fs::write(at("secret"), "s").unwrap();
        let access = FileAccess::none().with_read(at("in"));
        for (path, expected) in [
            ("in", true),
            ("in/deep/new/file", true),
            ("in/./deep/../x", true),
            ("in/../secret", false),
            ("in/none/../../secret", false),
            ("inside-not/x", false),
            ("secret", false),
            ("", false),
        ] {
            assert_eq!(may(&access, FileUse::Read, at(path)), expected, "{path}");
            assert!(!may(&access, FileUse::Write, at(path)), "{path}");
        }
        assert!(!may(&access, FileUse::Read, "/etc/passwd"));
        assert!(access.denies_all(FileUse::Write) && !access.denies_all(FileUse::Read));
    }

    #[cfg(unix)]
    #[test]
    fn links_do_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("in")).unwrap();
        std::fs::write(at("secret"), "s").unwrap();
        for (name, to) in [("in/out", "secret"), ("in/new", "none"), ("in/up", ".")] {
            std::os::unix::fs::symlink(at(to), at(name)).unwrap();
        }
        let access = FileAccess::none().with_write(at("in"));
        for path in ["in/out", "in/new", "in/up/secret"] {
            assert!(!may(&access, FileUse::Write, at(path)), "{path}");
            assert!(!may(&access, FileUse::Read, at(path)), "{path}");
        }
        assert!(may(&access, FileUse::Write, at("in/up/in/new-file")));
        assert!(may(&access, FileUse::Read, at("in/new-file")), "what is written may be read");
    }

    #[test]
    fn all_is_the_default_and_stays_all() {
        let all = FileAccess::default().with_read("x");
        assert_eq!(all, FileAccess::all());
        assert!(may(&all, FileUse::Write, "/anywhere") && !all.denies_all(FileUse::Write));
        let none = FileAccess::none();
        assert!(none.denies_all(FileUse::Read) && !may(&none, FileUse::Read, "Cargo.toml"));
    }
}

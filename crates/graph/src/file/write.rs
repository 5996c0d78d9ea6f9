use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flowkeep_proto::pb;

use super::message::to_bytes;
use super::{FileError, Form, Kind};

/// Writes a graph into a directory, which is made if it is not there, and gives the path; a file that
/// is there is replaced.
///
/// The bytes are those of `tf.io.write_graph`. They are written beside their place and then put into
/// it, so that nobody sees half a graph.
///
/// Errors: `RESOURCE_EXHAUSTED` for graphs of 2 GiB and more; those of the system.
pub fn write_graph(
    graph: &pb::GraphDef,
    logdir: &Path,
    name: &str,
    form: Form,
) -> Result<PathBuf, FileError> {
    let bytes = to_bytes(graph, Kind::GraphDef, form)?;
    fs::create_dir_all(logdir)
        .map_err(|source| FileError::Io { path: logdir.to_owned(), source })?;
    let path = logdir.join(name);
    write_atomically(&path, &bytes, true)?;
    Ok(path)
}

/// Puts a file into its place whole, or not at all; with `overwrite`, instead of one that is there.
/// What is there and no file, such as a pipe, is written into.
///
/// Errors: `ALREADY_EXISTS`; those of the system.
pub fn write_atomically(path: &Path, bytes: &[u8], overwrite: bool) -> Result<(), FileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => FileError::AlreadyExists { path: path.to_owned() },
        _ => FileError::Io { path: path.to_owned(), source },
    };
    match path.metadata() {
        Ok(_) if !overwrite => return Err(failed(io::ErrorKind::AlreadyExists.into())),
        Ok(there) if !there.is_file() => return fs::write(path, bytes).map_err(failed),
        _ => {}
    }
    let temporary = temporary_path(path);
    let result = fill(&temporary, bytes).and_then(|()| match overwrite {
        true => fs::rename(&temporary, path),
        false => put_new(&temporary, path),
    });
    if result.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    result.and_then(|()| sync_dir_of(path)).map_err(failed)
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file the name that no file may have. A second name is refused where there is one.
fn put_new(temporary: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Not all file systems have second names.
        Err(_) => fs::rename(temporary, path),
    }
}

pub(super) fn temporary_path(path: &Path) -> PathBuf {
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

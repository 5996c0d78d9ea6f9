use std::path::{Path, PathBuf};

use flowkeep_bundle::{Durability, Overwrite};

use crate::{Error, Format};

/// What is to be written, and how.
#[derive(Clone, Debug)]
pub struct Output {
    /// The prefix of a checkpoint, or the path of a file.
    pub path: PathBuf,
    /// The format.
    pub format: Format,
    /// Whether what is there already is replaced. It is not by default.
    pub overwrite: bool,
    /// The number of data files of a V2 checkpoint, or of files of a V1 checkpoint; 1 by default.
    pub n_shards: u32,
    /// Whether files are synced. They are by default.
    pub durability: Durability,
    /// How a V2 checkpoint that is there is replaced.
    pub names: Overwrite,
    /// Values in a V2 checkpoint begin at multiples of this many bytes; 1 by default.
    pub alignment: u64,
    /// The most threads. By default those of the machine.
    pub threads: usize,
}

impl Output {
    /// The output of this format at this path.
    pub fn new(path: impl Into<PathBuf>, format: Format) -> Output {
        Output {
            path: path.into(),
            format,
            overwrite: false,
            n_shards: 1,
            durability: Durability::default(),
            names: Overwrite::default(),
            alignment: 1,
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }

    /// Checks that nothing is there that must not be replaced.
    pub(super) fn check_free(&self) -> Result<(), Error> {
        let path = match self.format {
            Format::V2 => with_suffix(&self.path, ".index"),
            _ => self.path.clone(),
        };
        if self.overwrite || path.symlink_metadata().is_err() {
            return Ok(());
        }
        Err(Error::AlreadyExists { path })
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

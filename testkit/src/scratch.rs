use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_tensor::Tensor;
use prost::bytes::Bytes;

use crate::Files;

/// What paths into the folder start with in fixtures.
pub(crate) const PLACEHOLDER: &str = "scratch/";

/// A folder of its own for one run, removed when dropped. It is made when something is to lie in it, or
/// someone is told where it is.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A folder with these files.
    pub(crate) fn new(files: &Files) -> Result<Scratch, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("flowkeep-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch { path: std::env::temp_dir().join(name) };
        for (name, content) in files {
            let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
            let folder = scratch.path.join(folder);
            fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            if !name.is_empty() {
                fs::write(folder.join(name), content).map_err(|error| error.to_string())?;
            }
        }
        Ok(scratch)
    }

    /// All that lies in the folder.
    pub(crate) fn files(&self) -> Result<Files, String> {
        let mut files = Files::new();
        if !self.path.exists() {
            return Ok(files);
        }
        collect(&self.path, "", &mut files).map_err(|error| error.to_string())?;
        Ok(files)
    }

    /// The tensor with the folder's path for `scratch/`.
    pub(crate) fn with_path(&self, tensor: &Tensor) -> Tensor {
        let is_path = |value: &Bytes| find(value, PLACEHOLDER.as_bytes()).is_some();
        if tensor.as_strings().is_ok_and(|values| values.iter().any(is_path)) {
            // Ops that need it say so if it cannot be made.
            let _made = fs::create_dir_all(&self.path);
        }
        replace(tensor, PLACEHOLDER, &prefix(&self.path))
    }

    /// The tensor with `scratch/` for the folder's path.
    pub(crate) fn with_placeholder(&self, tensor: &Tensor) -> Tensor {
        replace(tensor, &prefix(&self.path), PLACEHOLDER)
    }

    /// The message with `scratch/` for the folder's path.
    pub(crate) fn message(&self, text: &str) -> String {
        text.replace(&prefix(&self.path), PLACEHOLDER)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.path.exists() {
            // A folder that stays behind is no reason to fail.
            let _removed = fs::remove_dir_all(&self.path);
        }
    }
}

/// Adds what lies in `folder`, whose own name is `name`.
fn collect(folder: &Path, name: &str, files: &mut Files) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{name}{}", entry.file_name().display());
        if entry.file_type()?.is_dir() {
            let name = name + "/";
            collect(&entry.path(), &name, files)?;
            files.insert(name, Bytes::new());
        } else {
            files.insert(name, fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

fn prefix(path: &Path) -> String {
    format!("{}/", path.display())
}

fn replace(tensor: &Tensor, old: &str, new: &str) -> Tensor {
    let Ok(values) = tensor.as_strings() else { return tensor.clone() };
    let replaced = values.iter().map(|value| match find(value, old.as_bytes()) {
        Some(at) => [&value[..at], new.as_bytes(), &value[at + old.len()..]].concat().into(),
        None => value.clone(),
    });
    Tensor::from_strings(tensor.shape(), replaced.collect()).unwrap_or_else(|_| tensor.clone())
}

/// Where `part` is in `bytes`, which need not be UTF-8.
fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flowkeep_tensor::Tensor;
use prost::bytes::Bytes;

/// What paths into the folder start with in fixtures.
const PLACEHOLDER: &str = "scratch/";

/// A folder of its own for one run, removed when dropped.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A folder with these files.
    pub(crate) fn new(files: &[(String, Bytes)]) -> Result<Scratch, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name =
            format!("flowkeep-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch { path: std::env::temp_dir().join(name) };
        fs::create_dir_all(&scratch.path).map_err(|error| error.to_string())?;
        for (name, content) in files {
            fs::write(scratch.path.join(name), content).map_err(|error| error.to_string())?;
        }
        Ok(scratch)
    }

    /// The tensor with the folder's path for `scratch/`.
    pub(crate) fn with_path(&self, tensor: &Tensor) -> Tensor {
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
        // A folder that stays behind is no reason to fail.
        let _removed = fs::remove_dir_all(&self.path);
    }
}

fn prefix(path: &Path) -> String {
    format!("{}/", path.display())
}

fn replace(tensor: &Tensor, old: &str, new: &str) -> Tensor {
    let Ok(values) = tensor.as_strings() else { return tensor.clone() };
    let replaced = values.iter().map(|value| match std::str::from_utf8(value) {
        Ok(text) if text.contains(old) => Bytes::from(text.replace(old, new)),
        _ => value.clone(),
    });
    Tensor::from_strings(tensor.shape(), replaced.collect()).unwrap_or_else(|_| tensor.clone())
}

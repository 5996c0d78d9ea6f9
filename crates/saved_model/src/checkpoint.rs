//! How the variables of a model are read.

use std::path::Path;

use flowkeep_bundle::{BundleReader, Error, ReaderOptions};
use flowkeep_runtime::Registry;
use flowkeep_saver::{SaverOptions, Verify};
use flowkeep_tensor::Tensor;

/// How the checkpoint of a model is read, by its restore op and by its objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) mmap: bool,
    pub(crate) verify: Verify,
}

impl Checkpoint {
    /// Adds the saver's ops to `registry`, to read in this way; how they write stays as it was set.
    pub(crate) fn register(self, registry: &mut Registry) {
        let set: SaverOptions = registry.setting().copied().unwrap_or_default();
        let Checkpoint { mmap, verify } = self;
        flowkeep_saver::register_with(registry, SaverOptions { mmap, verify, ..set });
    }

    /// Opens the checkpoint of this prefix.
    pub(crate) fn open(self, prefix: &Path) -> Result<BundleReader, Error> {
        let options = ReaderOptions { mmap: self.mmap, ..ReaderOptions::default() };
        BundleReader::open_with(prefix, options)
    }

    /// A tensor of the open checkpoint.
    pub(crate) fn tensor(self, reader: &BundleReader, key: &str) -> Result<Tensor, Error> {
        match self.verify {
            Verify::AtFirstUse => reader.deferred(key),
            _ => reader.tensor(key),
        }
    }
}

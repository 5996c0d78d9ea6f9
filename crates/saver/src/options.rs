use flowkeep_bundle::{
    Durability, MergeOptions, Overwrite, ReaderOptions, V1WriterOptions, WriterOptions,
};
use flowkeep_runtime::Registry;
use flowkeep_runtime::kernel::KernelInit;

/// How the saver ops of a session read and write checkpoints.
///
/// The kernels find them in the registry, as a setting of this type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaverOptions {
    /// Whether checkpoints are mapped, as [`register_mapping`](crate::register_mapping) describes.
    /// Off by default.
    pub mmap: bool,
    /// When restored tensors are compared with their checksums. At load by default.
    pub verify: Verify,
    /// Whether files are synced. They are by default; TensorFlow syncs none.
    pub durability: Durability,
    /// How a V2 checkpoint that is there is replaced. At once by default, for which data files may
    /// get other names than TensorFlow would give them. A file of a V1 checkpoint is always replaced
    /// at once, under its name.
    pub overwrite: Overwrite,
}

/// When a tensor that is restored is compared with its checksum. In either case nobody gets elements
/// that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// When it is restored, so that a damaged checkpoint is not restored at all.
    #[default]
    AtLoad,
    /// When somebody first looks at it, if the checkpoint is mapped (and of the form V2; other tensors
    /// are compared when they are restored): restoring then costs nothing for each byte, and weights
    /// that no one uses are never read. A damaged tensor is `DATA_LOSS`, naming tensor and file, for
    /// everybody who looks at it: kernels, savers, callers who fetch it.
    ///
    /// The checkpoint's files must stay as they are for as long as its tensors are used.
    AtFirstUse,
}

impl SaverOptions {
    /// The options that were set in `registry`, or the default ones.
    pub(crate) fn of(registry: &Registry) -> SaverOptions {
        registry.setting().copied().unwrap_or_default()
    }

    /// The options for the kernel of a node.
    pub(crate) fn for_kernel(init: &KernelInit<'_>) -> SaverOptions {
        init.setting().copied().unwrap_or_default()
    }

    pub(crate) fn reader(self, threads: usize) -> ReaderOptions {
        ReaderOptions { mmap: self.mmap, threads, ..ReaderOptions::default() }
    }

    pub(crate) fn writer(self, threads: usize) -> WriterOptions {
        let SaverOptions { durability, overwrite, .. } = self;
        WriterOptions { durability, overwrite, threads, ..WriterOptions::default() }
    }

    /// TensorFlow makes a directory for V2 checkpoints only.
    pub(crate) fn v1_writer(self) -> V1WriterOptions {
        let durability = self.durability;
        V1WriterOptions { durability, create_dir: false, ..V1WriterOptions::default() }
    }

    pub(crate) fn merge(self, allow_missing_files: bool) -> MergeOptions {
        let SaverOptions { durability, overwrite, .. } = self;
        MergeOptions { allow_missing_files, durability, overwrite, ..MergeOptions::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{register, register_mapping, register_with};

    #[test]
    fn registering_again_changes_only_how_checkpoints_are_read() {
        let mut registry = Registry::empty();
        register(&mut registry);
        assert_eq!(SaverOptions::of(&registry), SaverOptions::default());
        let unsynced = SaverOptions {
            mmap: false,
            verify: Verify::AtFirstUse,
            durability: Durability::Unsynced,
            overwrite: Overwrite::SameNames,
        };
        register_with(&mut registry, unsynced);
        register_mapping(&mut registry);
        assert_eq!(SaverOptions::of(&registry), SaverOptions { mmap: true, ..unsynced });
        register(&mut registry);
        assert_eq!(SaverOptions::of(&registry), unsynced);
    }
}

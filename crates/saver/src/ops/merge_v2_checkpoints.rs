use std::path::Path;

use flowkeep_bundle::merge_bundles;
use flowkeep_runtime::kernel::{FileAccess, FileUse, KernelContext, KernelInit, OpKernel, Status};

use super::{Built, args, status};
use crate::SaverOptions;

/// Merges V2 checkpoints into one; their data files become its own, and they are gone then.
///
/// Inputs: the prefixes of the checkpoints (strings `[n]`), that of the merged one (string scalar).
/// With `delete_old_dirs`, directories of the sources that are empty then go as well, but for that
/// of the destination. With `allow_missing_files`, sources that do not exist are passed over, as
/// long as one does.
/// Errors: those of [`merge_bundles`]; `INVALID_ARGUMENT` for other shapes.
/// Source: OpDef `MergeV2Checkpoints`.
struct MergeV2Checkpoints {
    delete_old_dirs: bool,
    allow_missing_files: bool,
    options: SaverOptions,
    access: FileAccess,
}

pub(super) fn build(init: &KernelInit<'_>) -> Built {
    Ok(Box::new(MergeV2Checkpoints {
        delete_old_dirs: init.attr_bool("delete_old_dirs")?,
        allow_missing_files: init.attr_bool("allow_missing_files")?,
        options: SaverOptions::for_kernel(init),
        access: init.file_access(),
    }))
}

impl OpKernel for MergeV2Checkpoints {
    fn compute(&self, cx: &mut KernelContext<'_>) -> Result<(), Status> {
        let (sources, destination) = (cx.input(0)?, cx.input(1)?);
        if sources.shape().rank() != 1 {
            return Err(Status::invalid_argument(format!(
                "Input checkpoint_prefixes should be an 1-D tensor, got {} instead.",
                sources.shape()
            )));
        }
        let ([destination], true) = (destination.as_strings()?, destination.shape().is_scalar())
        else {
            return Err(Status::invalid_argument(format!(
                "Input destination_prefix should be a scalar tensor, got {} instead.",
                destination.shape()
            )));
        };
        let destination = args::path(destination)?;
        let sources = sources.as_strings()?.iter().map(|source| args::path(source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        for prefix in sources.iter().copied().chain([destination]) {
            self.access.check(FileUse::Write, prefix)?;
        }
        merge_bundles(&sources, destination, &self.options.merge(self.allow_missing_files))
            .map_err(status)?;
        if self.delete_old_dirs {
            delete_dirs(&sources, destination);
        }
        Ok(())
    }
}

/// Removes the directories of `sources` that are empty, but for that of `destination`.
fn delete_dirs(sources: &[&Path], destination: &Path) {
    for dir in sources.iter().filter_map(|source| source.parent()) {
        if Some(dir) != destination.parent() {
            // One that has other files stays, and the second of two is gone already.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

//! The ops, a file for each, and what they have in common.

mod args;
mod load_and_remap_matrix;
mod merge_v2_checkpoints;
mod name_order;
mod restore;
mod restore_slice;
mod restore_v2;
mod save;
mod save_slices;
mod save_v2;
mod sharded_filename;
mod sharded_filespec;
mod v1;

use flowkeep_runtime::kernel::{FileUse, OpKernel, OpRegistration, Status, op};

/// The rows of the saver ops.
pub(crate) const OPS: &[OpRegistration] = &[
    op("LoadAndRemapMatrix").cpu(load_and_remap_matrix::build).files(FileUse::Read),
    op("MergeV2Checkpoints").cpu(merge_v2_checkpoints::build).files(FileUse::Write),
    op("Restore").cpu(restore::build).files(FileUse::Read),
    op("RestoreSlice").cpu(restore_slice::build).files(FileUse::Read),
    op("RestoreV2").cpu(restore_v2::build).files(FileUse::Read),
    op("Save").cpu(save::build).files(FileUse::Write),
    op("SaveSlices").cpu(save_slices::build).files(FileUse::Write),
    op("SaveV2").cpu(save_v2::build).files(FileUse::Write),
    op("ShardedFilename").cpu(sharded_filename::build).cheap(),
    op("ShardedFilespec").cpu(sharded_filespec::build).cheap(),
];

/// What a builder gives.
type Built = Result<Box<dyn OpKernel>, Status>;

/// The status of a checkpoint's error; its code and words are TensorFlow's.
fn status(error: flowkeep_bundle::Error) -> Status {
    Status::new(error.code(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::OPS;

    #[test]
    fn the_table_is_sorted_and_names_ops_of_tensorflow() {
        let names: Vec<_> = OPS.iter().map(|row| row.name()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "not sorted, or twice: {names:?}");
        for name in names {
            assert!(flowkeep_graph::op_def::lookup(name).is_some(), "{name}");
        }
    }
}

use std::sync::Arc;

use flowkeep_bundle::{CheckpointFormat, Durability};
use flowkeep_proto::pb;

use super::{Clock, SystemClock};
use crate::VarList;

/// What a [`Saver`](super::Saver) is to be: the arguments of `tf.compat.v1.train.Saver`, with
/// TensorFlow's defaults.
#[derive(Clone, Debug)]
pub struct SaverConfig {
    /// What is saved; `None` for what is in the collections `variables` and `saveable_objects`.
    pub var_list: Option<VarList>,
    /// Whether a restored tensor may have another shape than its variable, if it has as many elements.
    pub reshape: bool,
    /// Whether each device writes a shard of its own.
    pub sharded: bool,
    /// How many checkpoints are kept; `None` and 0 for all, which are then not listed either.
    /// Default: 5.
    pub max_to_keep: Option<i32>,
    /// A checkpoint in this many hours is kept for good. Default: 10000.
    pub keep_checkpoint_every_n_hours: f64,
    /// The name scope of the nodes, `save` by default. With a [`SaverConfig::saver_def`], the scope
    /// that its names get.
    pub name: Option<String>,
    /// Whether variables are restored one after the other. TensorFlow takes it and does nothing with
    /// it, and so does this.
    pub restore_sequentially: bool,
    /// The nodes of a Saver that was built into the graph before, to be used instead of new ones.
    pub saver_def: Option<pb::SaverDef>,
    /// How restoring is spread over nodes.
    pub builder: SaverBuilder,
    /// Whether the nodes are added by [`Saver::build`](super::Saver::build), later.
    pub defer_build: bool,
    /// Whether a Saver without variables is one that does nothing, not an error.
    pub allow_empty: bool,
    /// The format of new checkpoints. Either is restored.
    pub write_version: WriteVersion,
    /// Whether step numbers in names have eight digits at least.
    pub pad_step_number: bool,
    /// Whether the state file names checkpoints relative to its directory.
    pub save_relative_paths: bool,
    /// What the nodes save to and restore from when nothing is fed; `model` by default.
    pub filename: Option<String>,
    /// The clock. Default: that of the system.
    pub clock: Arc<dyn Clock>,
    /// Whether state files are synced. Checkpoints are as the session's
    /// [`SaverOptions`](crate::SaverOptions) say.
    pub durability: Durability,
}

impl Default for SaverConfig {
    fn default() -> SaverConfig {
        SaverConfig {
            var_list: None,
            reshape: false,
            sharded: false,
            max_to_keep: Some(5),
            keep_checkpoint_every_n_hours: 10000.0,
            name: None,
            restore_sequentially: false,
            saver_def: None,
            builder: SaverBuilder::Bulk,
            defer_build: false,
            allow_empty: false,
            write_version: WriteVersion::V2,
            pad_step_number: false,
            save_relative_paths: false,
            filename: None,
            clock: Arc::new(SystemClock),
            durability: Durability::default(),
        }
    }
}

impl SaverConfig {
    /// For these variables.
    pub fn of(var_list: VarList) -> SaverConfig {
        SaverConfig { var_list: Some(var_list), ..SaverConfig::default() }
    }
}

/// How restoring is spread over nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaverBuilder {
    /// One node restores all tensors of a shard: TensorFlow's `BulkSaverBuilder`.
    #[default]
    Bulk,
    /// Each tensor has a node, beside its variable: TensorFlow's `BaseSaverBuilder`.
    Base,
}

/// The format of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteVersion {
    /// The older one.
    V1,
    /// Tensor bundles.
    #[default]
    V2,
}

impl From<WriteVersion> for i32 {
    /// The number in a `SaverDef`.
    fn from(version: WriteVersion) -> i32 {
        match version {
            WriteVersion::V1 => 1,
            WriteVersion::V2 => 2,
        }
    }
}

/// The files that a checkpoint of a Saver has. Savers of old say nothing, and write V1.
pub(super) fn format_of(def: &pb::SaverDef) -> CheckpointFormat {
    match def.version == i32::from(WriteVersion::V2) {
        true => CheckpointFormat::V2,
        false => CheckpointFormat::V1,
    }
}

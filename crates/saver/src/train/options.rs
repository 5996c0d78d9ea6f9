use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What is trained, from where, how far, and where it is saved.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TrainOptions {
    /// The nodes that make a step.
    pub train_ops: Vec<String>,
    /// The tensors that are fetched with each step.
    pub fetches: Vec<String>,
    /// How many steps there are in all, counted from [`TrainOptions::checkpoint`] or from the initial
    /// values, whichever of them are done already.
    pub n_steps: u64,
    /// The checkpoint to begin with, by anything that [`Location::find`](flowkeep_bundle::Location::find)
    /// takes. Default: the initial values. A checkpoint of the model directory itself is where the
    /// training begins, even if there are later ones.
    pub checkpoint: Option<PathBuf>,
    /// The node that initializes the variables where there is no checkpoint. Default: the one of the
    /// collection `init_op`, or a node called `init`.
    pub init_op: Option<String>,
    /// Where checkpoints are saved, and the latest one is looked for; made if it is not there. By
    /// default nothing is saved.
    pub model_dir: Option<PathBuf>,
    /// Saves after so many steps. By default, and if it is 0, not because of steps.
    pub save_every_steps: Option<u64>,
    /// Saves after so much time. By default not because of time.
    pub save_every: Option<Duration>,
    /// Ends the training, after a save, when somebody sets it.
    pub stop: Option<Arc<AtomicBool>>,
}

impl TrainOptions {
    /// So many steps of a train op.
    pub fn of(train_op: impl Into<String>, n_steps: u64) -> TrainOptions {
        TrainOptions { train_ops: vec![train_op.into()], n_steps, ..TrainOptions::default() }
    }
}

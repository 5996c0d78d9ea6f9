//! The names of collections that TensorFlow knows: those of `tf.compat.v1.GraphKeys`.

/// The collection of all variables that are saved, `variables`.
pub const GLOBAL_VARIABLES: &str = "variables";
/// The collection of the variables that training changes.
pub const TRAINABLE_VARIABLES: &str = "trainable_variables";
/// The collection of the variables that are not saved.
pub const LOCAL_VARIABLES: &str = "local_variables";
/// The collection of the variables that metrics count in.
pub const METRIC_VARIABLES: &str = "metric_variables";
/// The collection of the variables that a model computes with.
pub const MODEL_VARIABLES: &str = "model_variables";
/// The collection of the variables of which moving averages are kept.
pub const MOVING_AVERAGE_VARIABLES: &str = "moving_average_variables";
/// The collection of partitioned variables that were put together.
pub const CONCATENATED_VARIABLES: &str = "concatenated_variables";
/// The collection of the resources that training changes.
pub const TRAINABLE_RESOURCE_VARIABLES: &str = "trainable_resource_variables";
/// The collection of the one variable that counts steps.
pub const GLOBAL_STEP: &str = "global_step";
/// The collection of the variables that count steps of an evaluation.
pub const EVAL_STEP: &str = "eval_step";
/// The collection of summaries.
pub const SUMMARIES: &str = "summaries";
/// The collection of the ops that run all summaries.
pub const SUMMARY_OP: &str = "summary_op";
/// The collection of those who fill queues.
pub const QUEUE_RUNNERS: &str = "queue_runners";
/// The collection of the ops that initialize tables.
pub const TABLE_INITIALIZERS: &str = "table_initializer";
/// The collection of the tensors that hold paths of assets.
pub const ASSET_FILEPATHS: &str = "asset_filepaths";
/// The collection of the losses that regularize.
pub const REGULARIZATION_LOSSES: &str = "regularization_losses";
/// The collection of savers.
pub const SAVERS: &str = "savers";
/// The collection of weights.
pub const WEIGHTS: &str = "weights";
/// The collection of biases.
pub const BIASES: &str = "biases";
/// The collection of activations.
pub const ACTIVATIONS: &str = "activations";
/// The collection of ops to run with each step, such as those of batch normalization.
pub const UPDATE_OPS: &str = "update_ops";
/// The collection of losses.
pub const LOSSES: &str = "losses";
/// The collection of what is saved besides variables.
pub const SAVEABLE_OBJECTS: &str = "saveable_objects";
/// The collection of resources to initialize.
pub const RESOURCES: &str = "resources";
/// The collection of resources of each process.
pub const LOCAL_RESOURCES: &str = "local_resources";
/// The collection of the op that initializes the model.
pub const INIT_OP: &str = "init_op";
/// The collection of the op that initializes what each process has.
pub const LOCAL_INIT_OP: &str = "local_init_op";
/// The collection of the op that tells what is not ready.
pub const READY_OP: &str = "ready_op";
/// The collection of the op that tells what is not ready for [`LOCAL_INIT_OP`].
pub const READY_FOR_LOCAL_INIT_OP: &str = "ready_for_local_init_op";
/// The collection of ops that train.
pub const TRAIN_OP: &str = "train_op";
/// The collection of conditionals built of `Switch` and `Merge`.
pub const COND_CONTEXT: &str = "cond_context";
/// The collection of loops built of `Enter` and `Exit`.
pub const WHILE_CONTEXT: &str = "while_context";

/// A kind of messages that some collections hold, serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefKind {
    Variable,
    Saver,
    QueueRunner,
    Cond,
    While,
}

/// What a collection of this name holds, if it is one of messages.
pub(crate) fn def_kind(key: &str) -> Option<DefKind> {
    match key {
        GLOBAL_VARIABLES
        | TRAINABLE_VARIABLES
        | MOVING_AVERAGE_VARIABLES
        | LOCAL_VARIABLES
        | MODEL_VARIABLES
        | METRIC_VARIABLES
        | GLOBAL_STEP => Some(DefKind::Variable),
        SAVERS => Some(DefKind::Saver),
        QUEUE_RUNNERS => Some(DefKind::QueueRunner),
        COND_CONTEXT => Some(DefKind::Cond),
        WHILE_CONTEXT => Some(DefKind::While),
        _ => None,
    }
}

/// Whether variables of a collection are trainable by what it is where a writer did not say.
pub(super) fn tells_trainability(key: &str) -> bool {
    def_kind(key) == Some(DefKind::Variable) && key != GLOBAL_STEP
}

/// Collections that old writers stored as names of nodes, and new ones as messages.
pub(super) const ONCE_NAMES: [&str; 3] = [LOCAL_VARIABLES, MODEL_VARIABLES, METRIC_VARIABLES];

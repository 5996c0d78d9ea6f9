//! Names that the SavedModel layout fixes.

/// The binary SavedModel message.
pub const SAVED_MODEL_FILENAME_PB: &str = "saved_model.pb";
/// The text form, read only if the binary one is absent.
pub const SAVED_MODEL_FILENAME_PBTXT: &str = "saved_model.pbtxt";
/// The directory of the checkpoint.
pub const VARIABLES_DIRECTORY: &str = "variables";
/// The prefix of the checkpoint within its directory.
pub const VARIABLES_FILENAME: &str = "variables";
/// The directory of asset files.
pub const ASSETS_DIRECTORY: &str = "assets";
/// The signature that names the init op of TF2 models.
pub const INIT_OP_SIGNATURE_KEY: &str = "__saved_model_init_op";
/// The collection that names the init op of TF1 models.
pub const MAIN_OP_KEY: &str = "saved_model_main_op";
/// The collection that names the init op of the oldest models.
pub const LEGACY_INIT_OP_KEY: &str = "legacy_init_op";
/// The tag of graphs meant for serving.
pub const SERVING: &str = "serve";
/// The signature that a client calls when it names none.
pub const DEFAULT_SERVING_SIGNATURE_DEF_KEY: &str = "serving_default";
/// The method of signatures that take and give tensors.
pub const PREDICT_METHOD_NAME: &str = "tensorflow/serving/predict";
/// The method of signatures that classify examples.
pub const CLASSIFY_METHOD_NAME: &str = "tensorflow/serving/classify";
/// The method of signatures that give a number for each example.
pub const REGRESS_METHOD_NAME: &str = "tensorflow/serving/regress";
/// The version of the layout.
pub const SAVED_MODEL_SCHEMA_VERSION: i64 = 1;
/// What the files of the message are called, without their extensions.
pub const SAVED_MODEL_FILENAME_PREFIX: &str = "saved_model";
/// The form of the message in chunks, for messages of 2 GiB and more.
pub const SAVED_MODEL_FILENAME_CPB: &str = "saved_model.cpb";
/// The directory of files that no loader reads.
pub const EXTRA_ASSETS_DIRECTORY: &str = "assets.extra";
/// The collection that lists the assets of TF1 models.
pub const ASSETS_KEY: &str = "saved_model_assets";
/// The collection that names the train op of TF1 models.
pub const TRAIN_OP_KEY: &str = "saved_model_train_op";
/// The signature that names the train op.
pub const TRAIN_OP_SIGNATURE_KEY: &str = "__saved_model_train_op";
/// The directory of what helps to debug a model.
pub const DEBUG_DIRECTORY: &str = "debug";
/// Where the nodes of a model were made.
pub const DEBUG_INFO_FILENAME_PB: &str = "saved_model_debug_info.pb";
/// The hashes of a SavedModel.
pub const FINGERPRINT_FILENAME: &str = "fingerprint.pb";
/// The tag of graphs that train.
pub const TRAINING: &str = "train";
/// The tag of graphs that evaluate.
pub const EVAL: &str = "eval";
/// The tag of graphs for GPUs.
pub const GPU: &str = "gpu";
/// The tag of graphs for TPUs.
pub const TPU: &str = "tpu";
/// The input of a signature that classifies.
pub const CLASSIFY_INPUTS: &str = "inputs";
/// The classes that a signature gives.
pub const CLASSIFY_OUTPUT_CLASSES: &str = "classes";
/// The scores of classes that a signature gives.
pub const CLASSIFY_OUTPUT_SCORES: &str = "scores";
/// The input of a signature that predicts, if it has only one.
pub const PREDICT_INPUTS: &str = "inputs";
/// The output of a signature that predicts, if it has only one.
pub const PREDICT_OUTPUTS: &str = "outputs";
/// The input of a signature that gives a number for each example.
pub const REGRESS_INPUTS: &str = "inputs";
/// The numbers that a signature gives.
pub const REGRESS_OUTPUTS: &str = "outputs";
/// The signature of graphs that train.
pub const DEFAULT_TRAIN_SIGNATURE_DEF_KEY: &str = "train";
/// The signature of graphs that evaluate.
pub const DEFAULT_EVAL_SIGNATURE_DEF_KEY: &str = "eval";
/// The method of signatures that train.
pub const SUPERVISED_TRAIN_METHOD_NAME: &str = "tensorflow/supervised/training";
/// The method of signatures that evaluate.
pub const SUPERVISED_EVAL_METHOD_NAME: &str = "tensorflow/supervised/eval";

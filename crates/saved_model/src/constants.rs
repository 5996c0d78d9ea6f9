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

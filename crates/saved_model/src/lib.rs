//! Open, load and call TensorFlow SavedModels.

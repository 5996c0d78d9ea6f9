//! TensorFlow's saver ops for the Flowkeep runtime.

//! TensorFlow's protobuf messages and their text format.

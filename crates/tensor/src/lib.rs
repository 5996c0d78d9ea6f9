//! Data types, shapes and tensors of TensorFlow, in host memory.

//! TensorFlow graphs: names, ops, attributes, functions, MetaGraphs.

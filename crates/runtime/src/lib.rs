//! A session that runs TensorFlow graphs: plans, executor, resources, CPU kernels.

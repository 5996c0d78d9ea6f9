//! Matrix multiplication, convolution and the worker pool behind Flowkeep's CPU kernels.

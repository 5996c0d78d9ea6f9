//! Matrix multiplication, convolution and the worker pool behind Flowkeep's CPU kernels.
#![deny(unsafe_code)]

pub mod pool;

pub use pool::Pool;

//! Matrix multiplication, convolution and the worker pool behind Flowkeep's CPU kernels.
#![deny(unsafe_code)]

pub mod conv;
pub mod elementwise;
pub mod gemm;
pub mod norm;
pub mod pool;
pub mod pooling;
pub mod reduce;
pub mod softmax;
pub mod vmath;

mod number;
mod simd;
#[cfg(test)]
mod test_support;
mod tile;
pub mod window;

pub use number::{Float, Number};
pub use pool::Pool;
pub use tile::{Activation, Epilogue};

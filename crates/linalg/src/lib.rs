//! Matrix multiplication, convolution and the worker pool behind Flowkeep's CPU kernels.
#![deny(unsafe_code)]

pub mod gemm;
pub mod pool;
pub mod vmath;

mod number;
mod simd;
#[cfg(test)]
mod test_support;

pub use number::{Float, Number};
pub use pool::Pool;

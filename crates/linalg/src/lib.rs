//! Matrix multiplication, convolution and the worker pool behind Flowkeep's CPU kernels.
//!
//! Everything works on slices and plain sizes: this crate knows no tensors, graphs or ops. Results
//! follow TensorFlow's rules (padding, special values, empty inputs) and never depend on the
//! number of threads: work is cut by shape alone, and each result is computed by one task.
//!
//! It is not a general linear algebra library: no decompositions, no sparse matrices.
//!
//! ```
//! use flowkeep_linalg::conv::{Conv2dGeometry, conv2d};
//! use flowkeep_linalg::window::Padding;
//! use flowkeep_linalg::{Activation, Epilogue, Pool};
//!
//! let pool = Pool::new(2);
//! // A 3x3 convolution of one 8x8 image, 3 to 4 channels, with bias and ReLU fused.
//! let (input, filter) = ([1, 8, 8, 3], [3, 3, 3, 4]);
//! let geometry = Conv2dGeometry::new(input, filter, [1, 1], [1, 1], Padding::Same)?;
//! let (x, w) = (vec![1.0_f32; 8 * 8 * 3], vec![0.5; 3 * 3 * 3 * 4]);
//! let epilogue = Epilogue { bias: Some(&[0.0, 1.0, -20.0, 3.0]), activation: Activation::Relu };
//! let mut y = vec![0.0; 8 * 8 * 4];
//! conv2d(&pool, &geometry, &x, &w, epilogue, &mut y);
//! assert_eq!(y[(8 + 1) * 4..][..4], [13.5, 14.5, 0.0, 16.5]);
//! # Ok::<(), flowkeep_linalg::window::GeometryError>(())
//! ```
//!
//! # Modules, in reading order
//!
//! | module | what |
//! |---|---|
//! | [`pool`] | fork-join and background jobs on worker threads |
//! | [`elementwise`], [`vmath`] | one function applied to every element; a vectorized `exp` |
//! | [`reduce`], [`softmax`], [`norm`] | sums, means, extrema; softmax; batch normalization |
//! | [`gemm`] | matrix products of floats, halves, integers, or your own arithmetic |
//! | [`window`] | where windows lie: TensorFlow's SAME, VALID and EXPLICIT rules |
//! | [`conv`] | convolution, depthwise and transposed convolution of NHWC images |
//! | [`pooling`] | maximum and average pooling of NHWC images |
//!
//! # Invariants
//!
//! - Sizes that come from a model are checked by the geometry types, which return errors. Slices
//!   whose lengths do not fit the stated sizes are a caller's bug and panic.
//! - No global state but the detected instruction set; threads belong to a [`Pool`] value.
//! - `unsafe` is confined to `pool` (borrowed closures and disjoint chunks on workers), `simd`
//!   (vector registers) and one call in `gemm`.
#![deny(unsafe_code)]

pub mod pool;

pub mod elementwise;
pub mod vmath;

pub mod norm;
pub mod reduce;
pub mod softmax;

pub mod gemm;

pub mod conv;
pub mod pooling;
pub mod pooling_backprop;
pub mod pooling_winners;
pub mod window;

mod number;
#[cfg(test)]
mod random_shapes;
mod simd;
#[cfg(test)]
mod test_support;
mod tile;

pub use number::{Float, Number};
pub use pool::{Pool, Spin};
pub use tile::{Activation, Epilogue};

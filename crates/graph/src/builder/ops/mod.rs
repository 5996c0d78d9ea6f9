//! Methods for the ops that a person writes by hand.
//!
//! Each is called like the function of `tf.compat.v1`, or of `tf.compat.v1.nn`, and makes the nodes
//! that it makes. Constants among the operands get the names that they get there, `Reshape/shape` for
//! instance. For any other op there is [`Scope::op`](super::Scope::op).

mod array;
mod control;
mod cross_entropy;
mod elementwise;
mod join;
mod math;
mod nn;
mod reduce;
mod state;
mod window;

pub use math::MatMulOptions;
pub use reduce::Axes;
pub use window::{Conv2dOptions, DataFormat, Padding, PoolOptions};

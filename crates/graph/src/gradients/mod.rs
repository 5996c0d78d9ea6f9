//! Gradients of tensors with respect to others, made as `tf.compat.v1.gradients` makes them.
//!
//! [`Scope::gradients`](crate::builder::Scope::gradients) adds the nodes that compute them: those that
//! TensorFlow's Python adds, under the same names, in the same order, with the same attributes and
//! control inputs. [`GradientOptions`] is for all else that `tf.gradients` can be told. A graph that was
//! imported takes gradients like one that was built: `Scope::from_graph(graph)`.
//!
//! ```
//! use flowkeep_graph::builder::Scope;
//! use flowkeep_graph::gradients::Gradient;
//! use flowkeep_tensor::DType;
//!
//! let mut scope = Scope::new();
//! let x = scope.placeholder(DType::F32, [None, Some(3)])?;
//! let y = scope.tanh(x)?;
//! let gradients = scope.gradients(&[y], &[x])?;
//! let Some(Gradient::Dense(gradient)) = gradients[0] else { panic!("y depends on x") };
//! assert_eq!(scope.graph().tensor_name(gradient).to_string(), "gradients/Tanh_grad/TanhGrad:0");
//! # Ok::<(), flowkeep_graph::Error>(())
//! ```
//!
//! `docs/gradients.md` lists the ops that have gradients here. In reading order: `walk`, from the results
//! back to what they depend on; `seeds` and `aggregate`, what it starts with and what it adds up; `table`,
//! the gradient of each op; `loops`, the loops that gradients go through; `functional`, conditions whose
//! branches are functions; one file for each family of ops.

mod aggregate;
mod broadcast;
mod contexts;
mod forward;
mod function;
mod functional;
mod loops;
mod operators;
mod ops;
mod options;
mod registered;
mod seeds;
mod slices;
mod static_value;
mod table;
mod walk;

pub(crate) use functional::Capturing;
pub(crate) use loops::Flow;
pub use options::{AggregationMethod, GradientOptions, UnconnectedGradients};
pub use slices::{Gradient, IndexedSlices};
pub use table::{Support, support};

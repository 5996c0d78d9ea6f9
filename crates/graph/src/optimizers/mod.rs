//! Training in graphs: the optimizers of `tf.compat.v1.train`, and what belongs to them.
//!
//! Each adds the nodes that TensorFlow's Python adds, with their names, order, inputs and attributes, and
//! the variables that it makes, in the same collections.
//!
//! ```
//! use flowkeep_graph::builder::{Axes, Initializer, Scope, VariableOptions};
//! use flowkeep_graph::optimizers::{GradientDescent, Minimize, Optimizer};
//! use flowkeep_tensor::DType;
//!
//! let mut scope = Scope::new();
//! let x = scope.placeholder(DType::F32, [None])?;
//! let w = scope.get_variable("w", VariableOptions::new().shape([]).initializer(Initializer::Zeros))?;
//! let y = scope.mul(x, &w)?;
//! let loss = scope.reduce_mean(y, Axes::all())?;
//! let mut optimizer = Optimizer::new(GradientDescent::new(0.5));
//! let train = optimizer.minimize(&mut scope, loss, &Minimize::default())?;
//! assert_eq!(scope.graph().node(train).name(), "GradientDescent");
//! # Ok::<(), flowkeep_graph::Error>(())
//! ```
//!
//! In reading order: [`Optimizer`], [`Minimize`]; the kinds, from [`GradientDescent`] on, and [`Hyper`],
//! what their numbers may be; the step that is counted, [`Scope::get_or_create_global_step`]; learning
//! rates that change with it, [`Scope::exponential_decay`] and others; gradients kept small,
//! [`Scope::clip_by_global_norm`] and others; [`ExponentialMovingAverage`]; losses,
//! [`Scope::mean_squared_error`] and others. `docs/training.md` says more.
//!
//! [`Scope::get_or_create_global_step`]: crate::builder::Scope::get_or_create_global_step
//! [`Scope::exponential_decay`]: crate::builder::Scope::exponential_decay
//! [`Scope::mean_squared_error`]: crate::builder::Scope::mean_squared_error
//! [`Scope::clip_by_global_norm`]: crate::builder::Scope::clip_by_global_norm

mod adadelta;
mod adagrad;
mod adam;
mod clip;
mod decay;
mod ftrl;
mod global_step;
mod gradient_descent;
mod hyper;
mod losses;
mod minimize;
mod momentum;
mod moving_average;
mod optimizer;
mod piecewise;
mod proximal;
mod rms_prop;
mod rule;
mod slots;

pub use adadelta::Adadelta;
pub use adagrad::{Adagrad, AdagradDa};
pub use adam::Adam;
pub use ftrl::Ftrl;
pub use gradient_descent::GradientDescent;
pub use hyper::Hyper;
pub use minimize::Minimize;
pub use momentum::Momentum;
pub use moving_average::ExponentialMovingAverage;
pub use optimizer::Optimizer;
pub use proximal::{ProximalAdagrad, ProximalGradientDescent};
pub use rms_prop::RmsProp;

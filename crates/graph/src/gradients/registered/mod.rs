//! What TensorFlow 2.21 has registered of gradients; each list sorted.

mod differentiable;
mod not_differentiable;

pub(super) use differentiable::DIFFERENTIABLE;
pub(super) use not_differentiable::NOT_DIFFERENTIABLE;

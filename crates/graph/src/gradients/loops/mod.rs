//! Gradients of the loops of TensorFlow 1: `Enter`, `Merge`, `Switch`, `NextIteration`, `Exit`.
//!
//! The gradient of a loop is a loop that turns as often, backwards. What it needs of the values of the forward loop
//! is pushed onto stacks there, and popped here. In reading order: `context`, what is within what; `values`, how
//! tensors get in; `state`, the two loops of one gradient; `exits`, where the walk begins with them; `grads`, the
//! gradients of the five ops.
//!
//! Which nodes are in which loop is not in a GraphDef: the collection `while_context` says it. Nodes that wait for
//! others which come later (`f_sync`, `b_sync`, the `NextIteration` of counters) are made last, under the names that
//! they have in TensorFlow.

mod context;
mod exits;
mod grads;
mod invariants;
mod state;
mod values;

pub(crate) use context::Flow;
pub(super) use grads::{enter_grad, exit_grad, merge_grad, next_iteration_grad, switch_grad};

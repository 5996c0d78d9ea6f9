//! From a graph and what is asked of it to a list of steps: resolve, prune, expand calls, schedule.
//!
//! Each stage is a pure function; the result prints, so that a plan can be read.

mod build;
mod expand;
mod key;
mod prune;
mod schedule;

use std::fmt;
use std::sync::Arc;

pub(crate) use build::build;
pub use key::RunKey;

use flowkeep_tensor::DType;

use crate::kernel::OpKernel;

/// The ops that plans execute themselves, without a kernel, sorted.
pub const CONSTRUCTS: &[&str] = &["PartitionedCall", "StatefulPartitionedCall"];

/// A node with its kernel and its place in the order of things.
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    pub(crate) op: Arc<str>,
    pub(crate) kernel: Arc<dyn OpKernel>,
    /// The slot of the first input; the others follow.
    pub(crate) first_slot: usize,
    /// For each input, whether the kernel wants the reference itself, not the value behind it.
    pub(crate) inputs: Vec<InputKind>,
    /// Who gets each output.
    pub(crate) outputs: Vec<Vec<Consumer>>,
    /// The steps that wait for this one without taking data.
    pub(crate) control_outputs: Vec<usize>,
    /// How many data and control inputs must have arrived before the step may run.
    pub(crate) n_pending: usize,
    /// Whether the step is too small to be worth another thread.
    pub(crate) cheap: bool,
}

/// How a step takes an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// As a value; a reference is read first.
    Value,
    /// As the reference.
    Ref,
}

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// The slot that takes the value.
    pub(crate) slot: usize,
    /// The step that waits for it, or `None` for a fetch.
    pub(crate) step: Option<usize>,
}

/// A pruned and scheduled graph: what one combination of feeds, fetches and targets executes.
///
/// Values travel through slots: one for each input of each step, in step order, then one for each
/// fetch.
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Who gets each feed.
    pub(crate) feeds: Vec<Vec<Consumer>>,
    /// The type of each feed, where the graph knows it.
    pub(crate) feed_types: Vec<Option<DType>>,
    /// The names of the fetches, for messages.
    pub(crate) fetches: Vec<Arc<str>>,
    /// The slot of the first fetch.
    pub(crate) first_fetch: usize,
}

impl Plan {
    /// The number of steps.
    pub fn n_steps(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn n_slots(&self) -> usize {
        self.first_fetch + self.fetches.len()
    }
}

/// One line a step, in execution order: name, op and the steps that it feeds.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, step) in self.steps.iter().enumerate() {
            write!(f, "{idx} {} ({})", step.name, step.op)?;
            for consumer in step.outputs.iter().flatten() {
                match consumer.step {
                    Some(step) => write!(f, " -> {step}")?,
                    None => write!(f, " -> {}", self.fetches[consumer.slot - self.first_fetch])?,
                }
            }
            for step in &step.control_outputs {
                write!(f, " -> ^{step}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({} steps)", self.steps.len())
    }
}

//! From a graph and what is asked of it to a list of steps: resolve, prune, expand calls, find the
//! frames of loops, schedule.
//!
//! Each stage is a pure function; the result prints, so that a plan can be read.

mod build;
mod call;
mod costs;
mod expand;
mod frames;
mod fuse;
mod invoke;
mod kernels;
mod key;
mod layout;
mod prune;
mod route;
mod schedule;
mod unread;
mod wiring;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub(crate) use build::build;
pub(crate) use costs::Costs;
pub(crate) use frames::Frame;
pub(crate) use invoke::Invoke;
pub use key::RunKey;
pub(crate) use layout::Layout;
pub(crate) use route::Route;
pub(crate) use wiring::{Room, StepWires, Waits, Wire, Wiring};

use flowkeep_tensor::DType;

use crate::kernel::OpKernel;

/// The ops that plans execute themselves, without a kernel, sorted.
pub const CONSTRUCTS: &[&str] = &[
    "Case",
    "If",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "StatelessCase",
    "StatelessIf",
    "StatelessWhile",
    "SymbolicGradient",
    "While",
];

/// A node with its kernel and its place in the order of things.
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    pub(crate) op: Arc<str>,
    pub(crate) work: Work,
    /// How its values travel.
    pub(crate) route: Route,
    /// The frame that it runs in.
    pub(crate) frame: usize,
    /// The slot of the first input, among those of its frame; the others follow.
    pub(crate) first_slot: usize,
    /// For each input, whether the kernel wants the reference itself, not the value behind it.
    pub(crate) inputs: Box<[InputKind]>,
    /// Who gets each output.
    pub(crate) outputs: Box<[Box<[Consumer]>]>,
    /// The steps that wait for this one without taking data.
    pub(crate) control_outputs: Box<[usize]>,
    /// How many data and control inputs must have arrived before the step may run.
    pub(crate) n_pending: usize,
    /// Whether the step is too small to be worth another thread.
    pub(crate) cheap: bool,
}

/// What a step does.
#[derive(Clone)]
pub(crate) enum Work {
    /// Runs a kernel.
    Kernel(Arc<dyn OpKernel>),
    /// Runs bodies of the plan and gives what they return.
    Invoke(Invoke),
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
/// fetch. Steps of a loop's frame have slots of their own, which every iteration has anew.
///
/// Functions that are not expanded in place are bodies: plans themselves, whose feeds are the
/// arguments and whose fetches are what they return.
pub struct Plan {
    pub(crate) steps: Box<[Step]>,
    /// The frames of the steps; the first is the one outside of all loops.
    pub(crate) frames: Vec<Frame>,
    /// Where values are when the steps run one after another, if the plan is flat: each step runs
    /// once, by a kernel, and no value is ever dead.
    pub(crate) layout: Option<Layout>,
    /// Where values are when it runs as tokens, made when it first does.
    wiring: OnceLock<Wiring>,
    /// What the steps were seen to take.
    pub(crate) costs: Costs,
    /// The bodies that steps of this plan and of its bodies invoke; bodies have none themselves.
    pub(crate) bodies: Vec<Plan>,
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
    /// The number of steps, those of bodies included.
    pub fn n_steps(&self) -> usize {
        self.steps.len() + self.bodies.iter().map(Plan::n_steps).sum::<usize>()
    }

    /// The number of slots outside of all loops.
    pub(crate) fn n_slots(&self) -> usize {
        self.first_fetch + self.fetches.len()
    }

    /// Where values wait, and who waits for them, when the plan runs as tokens.
    #[inline]
    pub(crate) fn wiring(&self) -> &Wiring {
        self.wiring.get_or_init(|| Wiring::of(self))
    }

    fn fmt_steps(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, step) in self.steps.iter().enumerate() {
            write!(f, "{idx} {} ({})", step.name, step.op)?;
            if step.frame != 0 {
                write!(f, " in {}", self.frames[step.frame].name)?;
            }
            if let Work::Invoke(invoke) = &step.work {
                write!(f, " runs")?;
                for body in invoke.bodies() {
                    write!(f, " {body}")?;
                }
            }
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

/// One line a step, in execution order: name, op, the frame of its loop, the bodies that it runs and
/// the steps that it feeds; then the bodies, by number.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_steps(f)?;
        for (idx, body) in self.bodies.iter().enumerate() {
            writeln!(f, "body {idx}:")?;
            body.fmt_steps(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({} steps)", self.n_steps())
    }
}

use std::sync::Arc;

use flowkeep_tensor::DType;

use crate::kernel::OpKernel;
use crate::plan::{Consumer, InputKind, Plan, Step};

/// Where a value comes from while a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An output of a step.
    Step { step: usize, port: usize },
    /// A feed.
    Feed(usize),
}

/// A step whose edges still point backward, as they do in the graph.
pub(super) struct Draft {
    pub(super) name: Arc<str>,
    pub(super) op: Arc<str>,
    pub(super) kernel: Arc<dyn OpKernel>,
    pub(super) inputs: Vec<(Source, InputKind)>,
    pub(super) control_inputs: Vec<usize>,
    pub(super) n_outputs: usize,
    pub(super) cheap: bool,
}

/// A fetch and where its value comes from.
pub(super) struct Fetch {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
}

/// Gives every input its slot and turns the edges around.
pub(super) fn schedule(
    drafts: Vec<Draft>,
    feed_types: Vec<Option<DType>>,
    fetches: Vec<Fetch>,
) -> Plan {
    let mut feeds = vec![Vec::new(); feed_types.len()];
    let mut outputs: Vec<Vec<Vec<Consumer>>> =
        drafts.iter().map(|d| vec![Vec::new(); d.n_outputs]).collect();
    let mut control_outputs = vec![Vec::new(); drafts.len()];
    let mut connect = |source, consumer| match source {
        Source::Step { step, port } => outputs[step][port].push(consumer),
        Source::Feed(feed) => feeds[feed].push(consumer),
    };
    let mut slot = 0;
    let mut first_slots = Vec::with_capacity(drafts.len());
    for (idx, draft) in drafts.iter().enumerate() {
        first_slots.push(slot);
        for (source, _) in &draft.inputs {
            connect(*source, Consumer { slot, step: Some(idx) });
            slot += 1;
        }
        for step in &draft.control_inputs {
            control_outputs[*step].push(idx);
        }
    }
    let first_fetch = slot;
    for fetch in &fetches {
        connect(fetch.source, Consumer { slot, step: None });
        slot += 1;
    }
    let steps = drafts.into_iter().zip(first_slots).zip(outputs.into_iter().zip(control_outputs));
    let steps = steps.map(|((draft, first_slot), (outputs, control_outputs))| Step {
        name: draft.name,
        op: draft.op,
        kernel: draft.kernel,
        first_slot,
        n_pending: draft.inputs.len() + draft.control_inputs.len(),
        inputs: draft.inputs.into_iter().map(|(_, kind)| kind).collect(),
        outputs,
        control_outputs,
        cheap: draft.cheap,
    });
    Plan {
        steps: steps.collect(),
        feeds,
        feed_types,
        fetches: fetches.into_iter().map(|fetch| fetch.name).collect(),
        first_fetch,
    }
}

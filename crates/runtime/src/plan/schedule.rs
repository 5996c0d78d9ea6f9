use std::sync::{Arc, OnceLock};

use flowkeep_tensor::{Code, DType};

use crate::Error;
use crate::kernel::{Fusion, Status};
use crate::plan::frames::{Entrance, assign, output_frame};
use crate::plan::{Consumer, Costs, InputKind, Layout, Plan, Route, Step, Work};
use crate::plan::{fuse, unread};

/// Where a value comes from while a plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An output of a step.
    Step { step: usize, port: usize },
    /// A feed.
    Feed(usize),
    /// A step that is not there yet: the next iteration of a loop.
    Later,
}

/// A step whose edges still point backward, as they do in the graph.
pub(super) struct Draft {
    pub(super) name: Arc<str>,
    pub(super) op: Arc<str>,
    pub(super) work: Work,
    pub(super) route: Route,
    /// The loop that an `Enter` leads into.
    pub(super) entrance: Option<Entrance>,
    /// The frame that it runs in, once that is known.
    pub(super) frame: usize,
    pub(super) inputs: Vec<(Source, InputKind)>,
    pub(super) control_inputs: Vec<usize>,
    pub(super) n_outputs: usize,
    pub(super) cheap: bool,
    /// Whether it has done with its inputs when it sets its only output.
    pub(super) is_elementwise: bool,
    /// What its kernel can do together with that of a step before it.
    pub(super) fusion: Fusion,
    /// Whether it does nothing but compute its outputs.
    pub(super) is_pure: bool,
}

/// A fetch and where its value comes from.
pub(super) struct Fetch {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
}

/// Leaves out what nobody reads, finds the frames of loops, gives every input its slot and turns the edges around.
///
/// Errors: of frames that contradict each other; `INTERNAL` for a fetch within a loop.
pub(super) fn schedule(
    mut drafts: Vec<Draft>,
    feed_types: Vec<Option<DType>>,
    fetches: Vec<Fetch>,
) -> Result<Plan, Error> {
    let sources: Vec<Source> = fetches.iter().map(|fetch| fetch.source).collect();
    unread::cut(&mut drafts, &sources);
    fuse::fuse(&mut drafts, &sources);
    let frames = assign(&mut drafts)?;
    let layout = Layout::of(&drafts, feed_types.len(), &sources);
    let costs = Costs::new(&drafts);
    let mut feeds = vec![Vec::new(); feed_types.len()];
    let mut outputs = room_for_consumers(&drafts, &sources);
    let mut control_outputs = vec![Vec::new(); drafts.len()];
    let mut connect = |source, consumer| match source {
        Source::Step { step, port } => {
            // Of an unknown op, the outputs are unknown too.
            if let Some(consumers) = outputs[step].get_mut(port) {
                consumers.push(consumer);
            }
        }
        Source::Feed(feed) => feeds[feed].push(consumer),
        Source::Later => {}
    };
    let (mut n_slots, mut n_edges) = (0, 0);
    let mut first_slots = Vec::with_capacity(drafts.len());
    for (idx, draft) in drafts.iter().enumerate() {
        first_slots.push(n_slots);
        for (source, _) in &draft.inputs {
            connect(*source, Consumer { slot: n_slots, step: Some(idx) });
            n_slots += 1;
        }
        for step in &draft.control_inputs {
            control_outputs[*step].push(idx);
        }
        n_edges += draft.inputs.len() + draft.n_outputs + draft.control_inputs.len();
    }
    if u32::try_from(n_edges + fetches.len() + drafts.len()).is_err() {
        return Err(Error::request(Code::ResourceExhausted, "the plan has too many edges"));
    }
    let first_fetch = n_slots;
    for (idx, fetch) in fetches.iter().enumerate() {
        if let Source::Step { step, .. } = fetch.source
            && output_frame(&drafts[step], &frames) != 0
        {
            let message = format!("Retval[{idx}] has already been set.");
            let status = Status::new(Code::Internal, message);
            return Err(Error::Fetch { name: fetch.name.to_string(), status });
        }
        connect(fetch.source, Consumer { slot: first_fetch + idx, step: None });
    }
    let steps = drafts.into_iter().zip(first_slots).zip(outputs.into_iter().zip(control_outputs));
    let steps = steps.map(|((draft, first_slot), (outputs, control_outputs))| Step {
        name: draft.name,
        op: draft.op,
        work: draft.work,
        route: draft.route,
        frame: draft.frame,
        first_slot,
        n_pending: draft.inputs.len() + draft.control_inputs.len(),
        inputs: draft.inputs.into_iter().map(|(_, kind)| kind).collect(),
        outputs: outputs.into_iter().map(Vec::into_boxed_slice).collect(),
        control_outputs: control_outputs.into(),
        cheap: draft.cheap,
    });
    Ok(Plan {
        steps: steps.collect(),
        frames,
        layout,
        wiring: OnceLock::new(),
        costs,
        bodies: Vec::new(),
        feeds,
        feed_types,
        fetches: fetches.into_iter().map(|fetch| fetch.name).collect(),
        first_fetch,
    })
}

/// For each output of each step an empty list with room for just those that read it: plans are kept.
fn room_for_consumers(drafts: &[Draft], fetches: &[Source]) -> Vec<Vec<Vec<Consumer>>> {
    let mut n_readers: Vec<Vec<usize>> = drafts.iter().map(|d| vec![0; d.n_outputs]).collect();
    let inputs = drafts.iter().flat_map(|draft| draft.inputs.iter().map(|(source, _)| source));
    for source in inputs.chain(fetches) {
        if let Source::Step { step, port } = source
            && let Some(n_readers) = n_readers[*step].get_mut(*port)
        {
            *n_readers += 1;
        }
    }
    let room = |n_readers: Vec<usize>| n_readers.into_iter().map(Vec::with_capacity).collect();
    n_readers.into_iter().map(room).collect()
}

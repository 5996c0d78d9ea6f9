//! Which frame each step of a loop runs in.
//!
//! TensorFlow's first loops are drawn with edges: `Enter` leads into a frame, named by an attribute
//! and by where it is entered from, `Exit` leads out of it, and what lies between runs once per
//! iteration.

use std::collections::HashMap;
use std::sync::Arc;

use flowkeep_tensor::Code;

use crate::Error;
use crate::plan::Route;
use crate::plan::schedule::{Draft, Source};

/// A loop of a plan, or all that is outside of loops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) name: Arc<str>,
    /// The frame that it is entered from; of the outermost, itself.
    pub(crate) parent: usize,
    /// How many steps lead into it.
    pub(crate) n_enters: usize,
    /// How many iterations may be under way at once.
    pub(crate) parallel_iterations: usize,
}

/// What an `Enter` says about the frame that it leads into.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    pub(super) frame: Arc<str>,
    pub(super) parallel_iterations: usize,
}

/// Finds the frame of each step; the first frame is the outermost.
///
/// Errors: `INVALID_ARGUMENT` for a step whose inputs come from different frames, and for one that
/// leads out of a loop where there is none.
pub(super) fn assign(drafts: &mut [Draft]) -> Result<Vec<Frame>, Error> {
    let mut frames = vec![Frame { parallel_iterations: 1, ..Frame::default() }];
    let mut known = HashMap::new();
    for idx in 0..drafts.len() {
        // What comes from behind is checked below.
        let frame = common_frame(drafts, &frames, idx, idx)?;
        if frame == 0 && matches!(drafts[idx].route, Route::Exit | Route::NextIteration) {
            let Draft { name, op, .. } = &drafts[idx];
            return Err(invalid(match drafts[idx].route {
                Route::Exit => "Invalid Exit op: Cannot find a corresponding Enter op.".to_owned(),
                _ => format!("node {name} of op {op} is in no loop"),
            }));
        }
        drafts[idx].frame = frame;
        if let Some(entrance) = drafts[idx].entrance.take() {
            let child = *known.entry((frame, entrance.frame.clone())).or_insert(frames.len());
            if child == frames.len() {
                frames.push(Frame {
                    name: entrance.frame,
                    parent: frame,
                    parallel_iterations: entrance.parallel_iterations,
                    ..Frame::default()
                });
            }
            frames[child].n_enters += 1;
            if let Route::Enter { frame, .. } = &mut drafts[idx].route {
                *frame = child;
            }
        }
    }
    for idx in 0..drafts.len() {
        if drafts[idx].route == Route::Merge {
            common_frame(drafts, &frames, idx, drafts.len())?;
        }
    }
    Ok(frames)
}

/// The frame that the outputs of a step belong to.
pub(super) fn output_frame(draft: &Draft, frames: &[Frame]) -> usize {
    match draft.route {
        Route::Enter { frame, .. } => frame,
        Route::Exit => frames[draft.frame].parent,
        _ => draft.frame,
    }
}

/// The frame that all inputs of step `idx` belong to, of those from steps before `end`.
fn common_frame(
    drafts: &[Draft],
    frames: &[Frame],
    idx: usize,
    end: usize,
) -> Result<usize, Error> {
    let draft = &drafts[idx];
    let data = draft.inputs.iter().map(|(source, _)| match source {
        Source::Step { step, .. } => Some(*step),
        Source::Feed(_) | Source::Later => None,
    });
    let control = draft.control_inputs.iter().map(|step| Some(*step));
    let mut first: Option<(usize, Option<usize>)> = None;
    for step in data.chain(control).filter(|step| step.is_none_or(|step| step < end)) {
        let frame = step.map_or(0, |step| output_frame(&drafts[step], frames));
        match first {
            None => first = Some((frame, step)),
            Some((other, _)) if other == frame => {}
            Some((other, other_step)) => {
                let name = |step: Option<usize>| step.map_or("", |step| &*drafts[step].name);
                return Err(invalid(format!(
                    "{{{{node {}}}}} has inputs from different frames. The input {{{{node {}}}}} is in frame '{}'. \
                     The input {{{{node {}}}}} is in frame '{}'.",
                    draft.name,
                    name(step),
                    frames[frame].name,
                    name(other_step),
                    frames[other].name
                )));
            }
        }
    }
    Ok(first.map_or(0, |(frame, _)| frame))
}

fn invalid(message: String) -> Error {
    Error::request(Code::InvalidArgument, message)
}

//! Steps whose values nobody reads, but that others wait for, compute nothing.
//!
//! Gradients are full of them: `tuple` ties what belongs together by control edges, the gradients
//! with respect to the data among it, which nobody asked for. TensorFlow makes such nodes `NoOp`s.

use std::sync::Arc;

use crate::kernel::{KernelContext, OpKernel, Status};
use crate::plan::schedule::{Draft, Source};
use crate::plan::{Route, Work};

/// Cuts the data inputs of pure steps that no fetch needs and no step that computes; they wait for the
/// same steps as before.
pub(super) fn cut(drafts: &mut [Draft], fetches: &[Source]) {
    let mut is_read = vec![false; drafts.len()];
    let read = |is_read: &mut Vec<bool>, source: &Source| {
        if let Source::Step { step, .. } = source {
            is_read[*step] = true;
        }
    };
    fetches.iter().for_each(|source| read(&mut is_read, source));
    // Steps come after what they read, but for the next iteration of a loop, which is always kept.
    for idx in (0..drafts.len()).rev() {
        if is_read[idx] || !can_be_cut(drafts, idx) {
            drafts[idx].inputs.iter().for_each(|(source, _)| read(&mut is_read, source));
            is_read[idx] = true;
        }
    }
    for (draft, _) in drafts.iter_mut().zip(is_read).filter(|(_, is_read)| !is_read) {
        for (source, _) in draft.inputs.drain(..) {
            if let Source::Step { step, .. } = source {
                draft.control_inputs.push(step);
            }
        }
        draft.control_inputs.sort_unstable();
        draft.control_inputs.dedup();
        draft.n_outputs = 0;
        draft.cheap = true;
        draft.is_elementwise = false;
        draft.work = nothing();
    }
}

/// Whether the step computes, changes nothing, and is dead just when one of the steps before it is.
fn can_be_cut(drafts: &[Draft], idx: usize) -> bool {
    let draft = &drafts[idx];
    let tells_its_death = |source: &Source| match source {
        Source::Step { step, .. } => matches!(drafts[*step].route, Route::Plain | Route::Merge),
        Source::Feed(_) => true,
        Source::Later => false,
    };
    draft.is_pure
        && draft.route == Route::Plain
        && !draft.inputs.is_empty()
        && draft.inputs.iter().all(|(source, _)| tells_its_death(source))
}

/// What is left of a step that does nothing.
pub(super) fn nothing() -> Work {
    Work::Kernel(Arc::new(Nothing))
}

#[derive(Debug)]
struct Nothing;

impl OpKernel for Nothing {
    fn compute(&self, _: &mut KernelContext<'_>) -> Result<(), Status> {
        Ok(())
    }
}

//! Steps that are done in one with the step before them, and gradients that are left a trace.
//!
//! A bias and an activation behind a convolution are applied while its results are in registers; the
//! gradient of maximum pooling is told where the maxima were. Results are the same, bit by bit, and so
//! are errors: they name the node that they are of. Step statistics give the time of all to the last.

use std::collections::HashMap;
use std::sync::Arc;

use crate::kernel::{Fusion, Origin};
use crate::plan::schedule::{Draft, Source};
use crate::plan::unread::nothing;
use crate::plan::{InputKind, Route, Work};

/// Fuses what can be, unless somebody else reads what lies between.
pub(super) fn fuse(drafts: &mut [Draft], fetches: &[Source]) {
    let is_any = |Fusion { merge, mask, trace }: Fusion| {
        merge.is_some() || mask.is_some() || trace.is_some()
    };
    if !drafts.iter().any(|draft| is_any(draft.fusion)) {
        return;
    }
    let readers = readers(drafts, fetches);
    for idx in 0..drafts.len() {
        merge(drafts, idx, &readers);
        trace(drafts, idx);
    }
}

/// How many steps and fetches read the first output of each step, or wait for it.
fn readers(drafts: &[Draft], fetches: &[Source]) -> HashMap<usize, usize> {
    let mut readers = HashMap::new();
    let inputs = drafts.iter().flat_map(|draft| draft.inputs.iter().map(|(source, _)| source));
    for source in inputs.chain(fetches) {
        if let Source::Step { step, .. } = source {
            *readers.entry(*step).or_default() += 1;
        }
    }
    for step in drafts.iter().flat_map(|draft| &draft.control_inputs) {
        *readers.entry(*step).or_default() += 1;
    }
    readers
}

/// Whether a step does nothing but compute, by a kernel, and is dead just when an input is.
fn is_plain(draft: &Draft) -> bool {
    draft.is_pure && draft.route == Route::Plain && matches!(draft.work, Work::Kernel(_))
}

/// Merges the step before step `idx` into it, if it alone reads it and their kernels have a common one.
fn merge(drafts: &mut [Draft], idx: usize, readers: &HashMap<usize, usize>) {
    let Fusion { merge, mask, .. } = drafts[idx].fusion;
    let Some(make) = merge.or(mask) else { return };
    let Some((Source::Step { step: head, port: 0 }, InputKind::Value)) =
        drafts[idx].inputs.first().copied()
    else {
        return;
    };
    let is_alone = readers.get(&head) == Some(&1) && drafts[head].n_outputs == 1;
    if head >= idx || !is_alone || !is_plain(&drafts[head]) || !is_plain(&drafts[idx]) {
        return;
    }
    let is_masked = merge.is_none();
    if is_masked {
        // What is read twice must be the same both times.
        let Some((input, InputKind::Value)) = drafts[head].inputs.first().copied() else { return };
        let reads_it = drafts[idx].inputs.get(1) == Some(&(input, InputKind::Value));
        if !reads_it || !is_constant(drafts, input) {
            return;
        }
    }
    let (Work::Kernel(first), Work::Kernel(second)) = (&drafts[head].work, &drafts[idx].work)
    else {
        return;
    };
    let origin = Origin { node: drafts[head].name.clone(), op: drafts[head].op.clone() };
    let Some(kernel) = make(&**first, &**second, &Arc::new(origin)) else { return };
    let (mut inputs, control_inputs) = leave(&mut drafts[head]);
    let draft = &mut drafts[idx];
    inputs.extend(draft.inputs.drain(1..).skip(usize::from(is_masked)));
    draft.inputs = inputs;
    draft.control_inputs.extend(control_inputs);
    draft.control_inputs.sort_unstable();
    draft.control_inputs.dedup();
    draft.work = Work::Kernel(kernel);
    draft.cheap = false;
    draft.is_elementwise = false;
}

/// Takes the inputs of a step, which does nothing any more.
fn leave(draft: &mut Draft) -> (Vec<(Source, InputKind)>, Vec<usize>) {
    draft.work = nothing();
    draft.cheap = true;
    draft.is_elementwise = false;
    draft.n_outputs = 0;
    (std::mem::take(&mut draft.inputs), std::mem::take(&mut draft.control_inputs))
}

/// Whether all who read a value read the same.
fn is_constant(drafts: &[Draft], source: Source) -> bool {
    match source {
        Source::Step { step, .. } => drafts[step].is_pure,
        Source::Feed(_) => true,
        Source::Later => false,
    }
}

/// Lets the step whose gradient step `idx` is leave a trace for it, if their kernels can.
fn trace(drafts: &mut [Draft], idx: usize) {
    let Some(trace) = drafts[idx].fusion.trace else { return };
    let [(input, InputKind::Value), (Source::Step { step, port: 0 }, InputKind::Value), ..] =
        drafts[idx].inputs[..]
    else {
        return;
    };
    let reads_it = drafts[step].inputs.first() == Some(&(input, InputKind::Value));
    let is_fit =
        is_constant(drafts, input) && reads_it && is_plain(&drafts[step]) && is_plain(&drafts[idx]);
    let (Work::Kernel(node), Work::Kernel(gradient)) = (&drafts[step].work, &drafts[idx].work)
    else {
        return;
    };
    let Some(traced) = trace(&**node, &**gradient).filter(|_| is_fit) else { return };
    drafts[step].work = Work::Kernel(traced.node);
    // A second gradient shares the trace.
    drafts[step].n_outputs = 2;
    drafts[step].is_elementwise = false;
    drafts[idx].work = Work::Kernel(traced.gradient);
    drafts[idx].inputs.push((Source::Step { step, port: 1 }, InputKind::Value));
}

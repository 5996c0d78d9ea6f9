//! Where the values of a flat plan are while its steps run one after another.
//!
//! A slot is used again as soon as the last step that reads its value is over, so that a plan has as
//! many slots as it has values that live at once, and the caches hold them. The last reader of a
//! value may take it, and so compute in its memory.

use std::sync::Arc;

use crate::kernel::{OpKernel, Place};
use crate::plan::schedule::{Draft, Source};
use crate::plan::{Route, Work};

/// The slots of a flat plan.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) n_slots: usize,
    /// The slot of each feed that somebody wants.
    pub(crate) feeds: Vec<Option<u32>>,
    pub(crate) steps: Vec<StepPlaces>,
    pub(crate) fetches: Vec<Place>,
    places: Vec<Place>,
    over: Vec<u32>,
}

/// The part of a layout that belongs to one step: all that running it needs, in a row for the caches.
pub(crate) struct StepPlaces {
    pub(crate) kernel: Arc<dyn OpKernel>,
    first: u32,
    first_output: u32,
    end: u32,
    first_over: u32,
    end_over: u32,
}

impl Layout {
    /// The layout of `drafts`, which are in the order in which they run.
    ///
    /// `None` if the plan is not flat, or has more values than can be counted.
    pub(super) fn of(drafts: &[Draft], n_feeds: usize, fetches: &[Source]) -> Option<Layout> {
        Allocator::new(drafts, n_feeds, fetches).lay_out(drafts, n_feeds, fetches)
    }

    /// Where the inputs and the outputs of a step are.
    #[inline]
    pub(crate) fn places(&self, step: &StepPlaces) -> (&[Place], &[Place]) {
        let (first, middle, end) =
            (step.first as usize, step.first_output as usize, step.end as usize);
        (&self.places[first..middle], &self.places[middle..end])
    }

    /// The slots whose values nobody reads after a step.
    #[inline]
    pub(crate) fn over(&self, step: &StepPlaces) -> &[u32] {
        &self.over[step.first_over as usize..step.end_over as usize]
    }
}

/// What is known of one value: an output of a step, or a feed.
#[derive(Clone, Copy, Default)]
struct Life {
    slot: Option<u32>,
    /// The last step that reads it.
    last: Option<usize>,
    /// How often that step reads it.
    n_reads: u32,
    /// How many fetches read it.
    n_fetches: u32,
}

struct Allocator {
    lives: Vec<Life>,
    /// The number of the first output of each step; the feeds come before.
    first_output: Vec<usize>,
    free: Vec<u32>,
    n_slots: u32,
}

impl Allocator {
    fn new(drafts: &[Draft], n_feeds: usize, fetches: &[Source]) -> Allocator {
        let mut n_values = n_feeds;
        let mut first_output = Vec::with_capacity(drafts.len());
        for draft in drafts {
            first_output.push(n_values);
            n_values += draft.n_outputs;
        }
        let lives = vec![Life::default(); n_values];
        let mut allocator = Allocator { lives, first_output, free: Vec::new(), n_slots: 0 };
        for (idx, draft) in drafts.iter().enumerate() {
            for (source, _) in &draft.inputs {
                if let Some(life) = allocator.life(drafts, *source) {
                    life.n_reads = if life.last == Some(idx) { life.n_reads + 1 } else { 1 };
                    life.last = Some(idx);
                }
            }
        }
        for source in fetches {
            if let Some(life) = allocator.life(drafts, *source) {
                life.n_fetches += 1;
            }
        }
        allocator
    }

    fn life(&mut self, drafts: &[Draft], source: Source) -> Option<&mut Life> {
        match source {
            Source::Feed(feed) => self.lives.get_mut(feed),
            // Of an unknown op, the outputs are unknown too.
            Source::Step { step, port } if port < drafts[step].n_outputs => {
                self.lives.get_mut(self.first_output[step] + port)
            }
            Source::Step { .. } | Source::Later => None,
        }
    }

    fn new_slot(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.n_slots;
        self.n_slots = slot.checked_add(1)?;
        Some(slot)
    }

    fn lay_out(mut self, drafts: &[Draft], n_feeds: usize, fetches: &[Source]) -> Option<Layout> {
        let mut layout = Layout::default();
        // What never comes is looked for in a slot that nobody fills.
        let never = self.new_slot()?;
        for feed in 0..n_feeds {
            let Life { last, n_fetches, .. } = self.lives[feed];
            let slot = if last.is_some() || n_fetches > 0 { Some(self.new_slot()?) } else { None };
            self.lives[feed].slot = slot;
            layout.feeds.push(slot);
        }
        for (idx, draft) in drafts.iter().enumerate() {
            let (Work::Kernel(kernel), Route::Plain) = (&draft.work, draft.route) else {
                return None;
            };
            let (first, first_over) = (layout.places.len(), layout.over.len());
            for (source, _) in &draft.inputs {
                let place = match self.life(drafts, *source) {
                    Some(Life { slot: Some(slot), last, n_reads, n_fetches }) => {
                        let is_over = *last == Some(idx) && *n_fetches == 0;
                        if is_over && !layout.over[first_over..].contains(slot) {
                            layout.over.push(*slot);
                        }
                        Place { slot: *slot, is_last: is_over && *n_reads == 1 }
                    }
                    _ => Place { slot: never, is_last: false },
                };
                layout.places.push(place);
            }
            let first_output = layout.places.len();
            // What is over may make room for what takes its place.
            let mut vacant = layout.places[first..].first().filter(|place| place.is_last);
            vacant = vacant.filter(|_| draft.is_elementwise);
            let mut vacant = vacant.map(|place| place.slot);
            for value in self.first_output[idx]..self.first_output[idx] + draft.n_outputs {
                let slot = match vacant.take() {
                    Some(slot) => {
                        let at = layout.over[first_over..].iter().position(|over| *over == slot);
                        at.map(|at| layout.over.swap_remove(first_over + at));
                        slot
                    }
                    None => self.new_slot()?,
                };
                let life = &mut self.lives[value];
                life.slot = Some(slot);
                let is_unwanted = life.last.is_none() && life.n_fetches == 0;
                if is_unwanted {
                    layout.over.push(slot);
                }
                layout.places.push(Place { slot, is_last: is_unwanted });
            }
            self.free.extend_from_slice(&layout.over[first_over..]);
            layout.steps.push(StepPlaces {
                kernel: kernel.clone(),
                first: u32::try_from(first).ok()?,
                first_output: u32::try_from(first_output).ok()?,
                end: u32::try_from(layout.places.len()).ok()?,
                first_over: u32::try_from(first_over).ok()?,
                end_over: u32::try_from(layout.over.len()).ok()?,
            });
        }
        for source in fetches {
            let place = match self.life(drafts, *source) {
                Some(life) => {
                    life.n_fetches -= 1;
                    Place { slot: life.slot.unwrap_or(never), is_last: life.n_fetches == 0 }
                }
                None => Place { slot: never, is_last: false },
            };
            layout.fetches.push(place);
        }
        layout.n_slots = self.n_slots as usize;
        // Plans are kept.
        layout.places.shrink_to_fit();
        layout.over.shrink_to_fit();
        layout.steps.shrink_to_fit();
        Some(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fusion;
    use crate::plan::InputKind;
    use crate::plan::kernels::Forward;

    /// A step that reads these values.
    fn draft(inputs: &[Source], n_outputs: usize) -> Draft {
        Draft {
            name: "step".into(),
            op: "Any".into(),
            work: Work::Kernel(Arc::new(Forward)),
            route: Route::Plain,
            entrance: None,
            frame: 0,
            inputs: inputs.iter().map(|source| (*source, InputKind::Value)).collect(),
            control_inputs: Vec::new(),
            n_outputs,
            cheap: true,
            is_elementwise: false,
            fusion: Fusion::default(),
            is_pure: false,
        }
    }

    fn output(step: usize) -> Source {
        Source::Step { step, port: 0 }
    }

    fn inputs(layout: &Layout, step: usize) -> Vec<bool> {
        layout.places(&layout.steps[step]).0.iter().map(|place| place.is_last).collect()
    }

    #[test]
    fn a_chain_of_any_length_lives_in_two_slots() {
        let mut drafts = vec![draft(&[Source::Feed(0)], 1)];
        drafts.extend((0..100).map(|step| draft(&[output(step)], 1)));
        let layout = Layout::of(&drafts, 1, &[output(100)]).unwrap();
        // And the one for what never comes.
        assert_eq!(layout.n_slots, 3);
        assert!((0..101).all(|step| inputs(&layout, step) == [true]));
    }

    #[test]
    fn the_result_of_elements_has_the_place_of_the_first_operand_that_is_over() {
        let elementwise = |inputs: &[Source]| Draft { is_elementwise: true, ..draft(inputs, 1) };
        let drafts = [
            draft(&[], 1),
            elementwise(&[Source::Feed(0), output(0)]),
            elementwise(&[output(1), output(0)]),
            elementwise(&[output(2), output(2)]),
        ];
        let layout = Layout::of(&drafts, 1, &[output(3), output(0)]).unwrap();
        let slots = |step: usize| {
            let (inputs, outputs) = layout.places(&layout.steps[step]);
            (inputs[0].slot, outputs[0].slot)
        };
        assert_eq!(slots(1).0, slots(1).1);
        assert_eq!(slots(2).0, slots(2).1);
        assert!((1..3).all(|step| layout.over(&layout.steps[step]).is_empty()));
        // Who reads a value twice has it until the end.
        assert_ne!(slots(3).0, slots(3).1);
        assert_eq!(layout.over(&layout.steps[3]), [slots(3).0]);
    }

    #[test]
    fn only_the_last_reader_of_a_value_takes_it() {
        let drafts = [
            draft(&[], 1),
            draft(&[output(0)], 1),
            draft(&[output(0), output(1)], 1),
            draft(&[output(2), output(2)], 1),
        ];
        let layout = Layout::of(&drafts, 0, &[output(3)]).unwrap();
        assert_eq!(inputs(&layout, 1), [false]);
        assert_eq!(inputs(&layout, 2), [true, true]);
        // Who reads a value twice takes it neither time.
        assert_eq!(inputs(&layout, 3), [false, false]);
        assert_eq!(layout.over(&layout.steps[3]).len(), 1);
    }

    #[test]
    fn what_is_fetched_stays_and_what_nobody_wants_goes() {
        let drafts = [draft(&[], 2), draft(&[output(0)], 1)];
        let layout = Layout::of(&drafts, 1, &[output(0), output(0)]).unwrap();
        assert_eq!(layout.feeds, [None]);
        assert_eq!(inputs(&layout, 1), [false]);
        assert_eq!(layout.over(&layout.steps[0]).len(), 1);
        assert_eq!(layout.over(&layout.steps[1]).len(), 1);
        let is_last: Vec<_> = layout.fetches.iter().map(|place| place.is_last).collect();
        assert_eq!(is_last, [false, true]);
    }
}

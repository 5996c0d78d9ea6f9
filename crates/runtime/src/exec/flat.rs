use crate::exec::{Run, step};
use crate::plan::{Layout, Step};
use crate::{Error, Plan, Value};

/// Looks on while steps run.
pub(super) trait Observer {
    /// Sees all values before a step.
    fn before(&mut self, _values: &[Option<Value>]) {}

    /// Sees all values after `step`, before those that are over go.
    fn after(&mut self, _step: &Step, _values: &[Option<Value>]) {}
}

/// Nobody looks on.
pub(super) struct Unobserved;

impl Observer for Unobserved {}

/// Runs the steps of a flat plan in their order, on the calling thread, and gives the fetched values.
///
/// `feeds` gives the values that the plan's feeds are given, if they are wanted.
pub(super) fn run(
    plan: &Plan,
    layout: &Layout,
    feeds: impl Iterator<Item = Option<Value>>,
    run: &Run,
    observer: &mut impl Observer,
) -> Result<Vec<Option<Value>>, Error> {
    let mut slots = vec![None; layout.n_slots];
    for (value, slot) in feeds.zip(&layout.feeds) {
        if let Some(slot) = slot {
            slots[*slot as usize] = value;
        }
    }
    let mut at = 0;
    let ran = step::guarded(|| {
        for (planned, places) in plan.steps.iter().zip(&layout.steps) {
            let (inputs, outputs) = layout.places(places);
            let values = step::Values { all: &mut slots, inputs, outputs };
            observer.before(values.all);
            step::run_kernel(planned, &*places.kernel, values, run)?;
            observer.after(planned, &slots);
            for slot in layout.over(places) {
                slots[*slot as usize] = None;
            }
            at += 1;
        }
        Ok(())
    });
    ran.unwrap_or_else(|panicked| Err(step::fail(&plan.steps[at], panicked)))?;
    let fetched = layout.fetches.iter().map(|place| {
        let slot = &mut slots[place.index()];
        if place.is_last { slot.take() } else { slot.clone() }
    });
    Ok(fetched.collect())
}

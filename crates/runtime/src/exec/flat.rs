use crate::exec::room::Room;
use crate::exec::{Run, step};
use crate::plan::Consumer;
use crate::{Error, Plan, Value};

/// Runs the steps of a flat plan in their order, on the calling thread.
///
/// `feeds` gives the values that the plan's feeds are given, if they are wanted; `slots` is room
/// that may have been used before. The values of the fetches are left behind in their slots.
pub(super) fn run(
    plan: &Plan,
    feeds: impl Iterator<Item = Option<Value>>,
    slots: &mut Vec<Option<Value>>,
    run: &Run,
) -> Result<(), Error> {
    slots.resize(plan.n_slots(), None);
    for (value, consumers) in feeds.zip(&plan.feeds) {
        if let Some(value) = value {
            deliver(slots, value, consumers);
        }
    }
    for planned in &plan.steps {
        let inputs = &mut slots[planned.first_slot..planned.first_slot + planned.inputs.len()];
        let mut outputs = Room::new(planned.outputs.len());
        step::run(planned, inputs, outputs.values(), run)?;
        inputs.fill(None);
        for (value, consumers) in outputs.values().iter_mut().zip(&planned.outputs) {
            if let Some(value) = value.take() {
                deliver(slots, value, consumers);
            }
        }
    }
    Ok(())
}

/// Hands a value to all who want it; the last one gets it without a second owner remaining.
pub(super) fn deliver(slots: &mut [Option<Value>], value: Value, consumers: &[Consumer]) {
    let Some((last, others)) = consumers.split_last() else { return };
    for consumer in others {
        slots[consumer.slot] = Some(value.clone());
    }
    slots[last.slot] = Some(value);
}

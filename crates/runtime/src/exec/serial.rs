use std::sync::Arc;

use crate::exec::{Executor, Host, step};
use crate::plan::Consumer;
use crate::{Error, Plan, Value};

/// Runs the steps in their order, on the calling thread; kernels may still use the pool.
#[derive(Debug, Default)]
pub struct SerialExecutor;

impl Executor for SerialExecutor {
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        host: &Arc<Host>,
    ) -> Result<Vec<Value>, Error> {
        let mut slots = vec![None; plan.n_slots()];
        for (value, consumers) in feeds.into_iter().zip(&plan.feeds) {
            deliver(&mut slots, value, consumers);
        }
        for planned in &plan.steps {
            let inputs = &mut slots[planned.first_slot..planned.first_slot + planned.inputs.len()];
            let outputs = step::run(planned, inputs, host)?;
            inputs.fill(None);
            for (value, consumers) in outputs.into_iter().zip(&planned.outputs) {
                if let Some(value) = value {
                    deliver(&mut slots, value, consumers);
                }
            }
        }
        super::take_fetches(plan, slots.drain(plan.first_fetch..))
    }
}

/// Hands a value to all who want it; the last one gets it without a second owner remaining.
fn deliver(slots: &mut [Option<Value>], value: Value, consumers: &[Consumer]) {
    let Some((last, others)) = consumers.split_last() else { return };
    for consumer in others {
        slots[consumer.slot] = Some(value.clone());
    }
    slots[last.slot] = Some(value);
}

use std::sync::Arc;

use crate::exec::crew::Job;
use crate::exec::tokens::Machine;
use crate::exec::{Executor, Run, flat, take_fetches};
use crate::{Error, Plan, Value};

/// Runs one step after another, on the calling thread; kernels may still use the pool.
#[derive(Debug, Default)]
pub struct SerialExecutor;

impl Executor for SerialExecutor {
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        run: &Arc<Run>,
    ) -> Result<Vec<Value>, Error> {
        if plan.is_flat {
            let mut slots = Vec::new();
            flat::run(plan, feeds.into_iter().map(Some), &mut slots, run)?;
            return take_fetches(plan, slots.drain(plan.first_fetch..));
        }
        let mut ready = Vec::new();
        let machine = Machine::start(plan.clone(), feeds, run.clone(), true, &mut ready);
        while let Some(task) = ready.pop() {
            machine.run(task, &mut ready)?;
        }
        machine.finish()
    }
}

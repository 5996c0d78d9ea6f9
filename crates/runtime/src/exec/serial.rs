use std::sync::Arc;

use crate::exec::crew::Job;
use crate::exec::flat::Unobserved;
use crate::exec::ledger::Ledger;
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
        if let Some(layout) = &plan.layout {
            let feeds = feeds.into_iter().map(Some);
            let values = if run.is_traced() {
                let mut ledger = Ledger::default();
                let values = flat::run(plan, layout, feeds, run, &mut ledger)?;
                run.note_memory(ledger.peak_bytes, ledger.weight_bytes);
                values
            } else {
                flat::run(plan, layout, feeds, run, &mut Unobserved)?
            };
            return take_fetches(plan, values.into_iter());
        }
        let mut ready = Vec::new();
        let machine = Machine::start(plan.clone(), feeds, run.clone(), true, &mut ready);
        while let Some(task) = ready.pop() {
            machine.run(task, &mut ready)?;
        }
        machine.finish()
    }
}

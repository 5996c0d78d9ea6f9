//! Executors: they run the steps of a plan, one after another or several at once.
//!
//! A plan in which each step runs once (`flat`) needs a count of missing inputs for each step and
//! no more. All others run as tokens (`tokens`): a step may run once per iteration of its loop and
//! per call of its function, and values may be dead.

mod crew;
mod flat;
mod ledger;
mod parallel;
mod room;
mod run;
mod serial;
mod step;
mod tokens;

use std::fmt;
use std::sync::Arc;

use flowkeep_linalg::Pool;

pub use parallel::ParallelExecutor;
pub use run::Run;
pub use serial::SerialExecutor;

use crate::kernel::Status;
use crate::resource::ResourceManager;
use crate::{Error, Plan, Value};

/// What every run of a session shares.
#[derive(Debug)]
pub struct Host {
    pub(crate) resources: ResourceManager,
    pub(crate) pool: Pool,
}

/// Runs plans. A session has one; it is chosen in its options.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Runs `plan` with one value for each feed; gives one for each fetch.
    ///
    /// Errors: that of the first node that failed, with its name; `CANCELLED` and
    /// `DEADLINE_EXCEEDED` when `run` says so; `INVALID_ARGUMENT` for a fetch that is dead.
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        run: &Arc<Run>,
    ) -> Result<Vec<Value>, Error>;
}

/// The fetched values, references read.
fn take_fetches(
    plan: &Plan,
    slots: impl Iterator<Item = Option<Value>>,
) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(plan.fetches.len());
    for (idx, (name, mut slot)) in plan.fetches.iter().zip(slots).enumerate() {
        step::read_reference(&mut slot)
            .map_err(|status| Error::Fetch { name: name.to_string(), status })?;
        let missing = || Error::Fetch {
            name: name.to_string(),
            status: Status::invalid_argument(format!("Retval[{idx}] does not have value")),
        };
        values.push(slot.ok_or_else(missing)?);
    }
    Ok(values)
}

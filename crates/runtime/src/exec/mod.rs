//! Executors: they run the steps of a plan, one after another or several at once.

mod parallel;
mod serial;
mod step;

use std::fmt;
use std::sync::Arc;

use flowkeep_linalg::Pool;

pub use parallel::ParallelExecutor;
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
    /// Errors: that of the first node that failed, with its name.
    fn execute(
        &self,
        plan: &Arc<Plan>,
        feeds: Vec<Value>,
        host: &Arc<Host>,
    ) -> Result<Vec<Value>, Error>;
}

/// The fetched values, references read.
fn take_fetches(
    plan: &Plan,
    slots: impl Iterator<Item = Option<Value>>,
) -> Result<Vec<Value>, Error> {
    let mut values = Vec::with_capacity(plan.fetches.len());
    for (name, mut slot) in plan.fetches.iter().zip(slots) {
        step::read_reference(&mut slot)
            .map_err(|status| Error::Fetch { name: name.to_string(), status })?;
        let missing = || Error::Fetch {
            name: name.to_string(),
            status: Status::internal("the fetch has no value"),
        };
        values.push(slot.ok_or_else(missing)?);
    }
    Ok(values)
}

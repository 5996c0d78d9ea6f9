use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What time it is, for the rule that keeps a checkpoint every some hours.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Seconds since the epoch.
    fn now(&self) -> f64;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
    }
}

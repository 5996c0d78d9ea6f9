use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

use crate::error::Error;

/// The exit status of a process that was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;

/// What the first Ctrl-C or SIGTERM sets; the second one ends the process.
pub(super) fn catch() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // Those that were registered first act first: what is set by this very signal does not end it.
        register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&stop))
            .and_then(|_| register(signal, Arc::clone(&stop)))
            .map_err(|source| Error::Io { path: "signals".into(), source })?;
    }
    Ok(stop)
}

//! Signals that stop a run.

use electra_burn::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Holds the number of the first SIGINT or SIGTERM; a second one ends the program at once, as usual.
pub fn signals() -> Result<Arc<AtomicUsize>> {
    let signal = Arc::new(AtomicUsize::new(0));
    let again = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        let registered = flag::register_conditional_default(number, again.clone())
            .and_then(|_| flag::register(number, again.clone()))
            .and_then(|_| flag::register_usize(number, signal.clone(), usize::try_from(number).unwrap_or(1)));
        registered.map_err(|error| Error::Usage(format!("signals cannot be handled: {error}")))?;
    }
    Ok(signal)
}

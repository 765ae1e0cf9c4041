//! Signals that stop a run.

use super::terminal::ends_with_dashboard;
use electra_burn::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, register};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Holds the number of the first SIGINT or SIGTERM; a second one ends the program at once, as usual. With a dashboard
/// that of SIGHUP too, which means that its terminal is gone; without one it means what it always does, so that `nohup`
/// works.
pub fn signals(dashboard: bool) -> Result<Arc<AtomicUsize>> {
    let signal = Arc::new(AtomicUsize::new(0));
    let numbers = [SIGINT, SIGTERM].into_iter().chain(hangup().filter(|_| dashboard));
    for number in numbers {
        let first = signal.clone();
        let handle = move || {
            let value = usize::try_from(number).unwrap_or(usize::MAX);
            let is_first = first.compare_exchange(0, value, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            // A terminal that goes away says so twice: once itself, once by its shell.
            let ends = !is_first && Some(number) != hangup();
            if ends && !ends_with_dashboard(number) {
                _ = emulate_default_handler(number);
            }
        };
        // SAFETY: a handler may do nothing that another thread could be in the middle of. This one loads and stores
        // atomic numbers, and what ends the process is made for handlers.
        let registered = unsafe { register(number, handle) };
        registered.map_err(|error| Error::Usage(format!("signals cannot be handled: {error}")))?;
    }
    Ok(signal)
}

fn hangup() -> Option<i32> {
    #[cfg(unix)]
    return Some(signal_hook::consts::SIGHUP);
    #[cfg(not(unix))]
    None
}

//! What is said while a GPU compiles and tunes kernels, which can take minutes the first time.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

/// Says every ten seconds that the first steps are under way, until it is dropped.
pub struct Startup {
    /// The thread that speaks ends with it.
    _dropped: Sender<()>,
}

const INTERVAL: Duration = Duration::from_secs(10);

impl Startup {
    /// Begins to say so with `say`.
    pub fn begin(say: impl Fn(&str) + Send + 'static) -> Self {
        let (sender, dropped) = channel();
        let begun = Instant::now();
        spawn(move || {
            while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                say(&format!("compiling and tuning kernels for {} s", begun.elapsed().as_secs()));
            }
        });
        Self { _dropped: sender }
    }
}

//! What a run needs beside its configuration, whatever it trains.

use super::observer::Observers;
use crate::device::Adapters;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// What a run needs beside its configuration.
#[derive(Clone)]
pub struct RunOptions {
    /// The run directory: new or empty, or that of the run to resume.
    pub output: PathBuf,
    /// Where to train.
    pub adapters: Adapters,
    /// Resume the run in `output` after its newest whole checkpoint.
    pub resume: bool,
    /// A signal handler stores its number here; the run then saves a checkpoint after the current step and stops.
    pub signal: Arc<AtomicUsize>,
    /// Who observes it.
    pub observers: Observers,
    /// What happens to panics.
    pub panics: Panics,
    /// For tests: what goes wrong on purpose.
    #[doc(hidden)]
    pub faults: Faults,
}

impl RunOptions {
    /// A new run in `output`, which nobody observes.
    pub fn new(output: impl Into<PathBuf>, adapters: Adapters) -> Self {
        Self {
            output: output.into(),
            adapters,
            resume: false,
            signal: Arc::default(),
            observers: Observers::default(),
            panics: Panics::default(),
            faults: Faults::default(),
        }
    }
}

/// What happens to panics while a run trains. One on the thread that trains ends the run in any case, as an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Panics {
    /// The process's panic hook stays in place.
    #[default]
    Reported,
    /// Panics of all threads are kept instead of being printed, and the first of them is the run's error: for a program
    /// whose terminal shows something else, and for devices that compute on threads of their own. The threads of this name are left out.
    Kept {
        /// A thread's name.
        except: &'static str,
    },
}

/// Faults that tests put into a run; by default none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Steps, from 1, whose gradients become NaN.
    pub poisoned_steps: Vec<usize>,
    /// The step, from 1, after which the thread that trains panics.
    pub panic_at: Option<usize>,
}

//! The dashboard of a run on the terminal.
//!
//! [`Dashboard`] has the terminal and gives it back, whatever becomes of the run; it stays with whoever started the run,
//! outside of the threads that train. These tell it what happens through a [`Watch`], which outlives it harmlessly.

mod plot;
mod screen;
mod series;
mod state;
mod text;
mod view;

pub use screen::ends_with_dashboard;
pub(super) use screen::{QUIT, THREAD};
pub(super) use state::{Opening, Split, State};

use electra_runs::Sample;
use screen::Shared;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;

/// Has the terminal until it is closed or dropped.
pub(super) struct Dashboard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Takes the terminal. Keys that stop the run set `signal`, as the handler of a signal does.
    ///
    /// # Errors
    /// The terminal's, which is left as it was.
    pub fn open(opening: Opening, signal: Arc<AtomicUsize>) -> io::Result<Self> {
        let shared = Arc::new(Shared::open(State::new(opening), signal)?);
        let thread = screen::spawn(&shared)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What tells it of the run.
    pub fn watch(&self) -> Watch {
        Watch(Some(self.shared.clone()))
    }

    /// Gives the terminal back.
    pub fn close(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // Its panics are kept by the screen.
            _ = thread.join();
        }
    }

    /// What the dashboard has warned of, for the screen behind it: the last warning with the count of all, and why it was
    /// closed early.
    pub fn told(&self) -> Vec<String> {
        let state = self.shared.state();
        let last = state.warning.as_ref().map(|warning| match state.warnings {
            1 => format!("warning: {warning}"),
            count => format!("{count} warnings, the last one: {warning}"),
        });
        last.into_iter().chain(self.shared.failure()).collect()
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.close();
    }
}

/// Tells the dashboard what happens, where there is one.
#[derive(Clone, Default)]
pub(super) struct Watch(Option<Arc<Shared>>);

impl Watch {
    /// Changes what is shown.
    pub fn tell(&self, change: impl FnOnce(&mut State)) {
        if let Some(shared) = &self.0 {
            change(&mut shared.state());
        }
    }

    /// Whether lines must be printed: there is no dashboard, or it has failed.
    pub fn wants_lines(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.has_failed())
    }

    /// Shows a sample.
    pub fn sample(&self, sample: Sample) {
        self.tell(|state| state.sample = Some(sample));
    }
}

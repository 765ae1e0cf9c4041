//! What is seen of a run while it trains: a dashboard on the terminal, or lines.
//!
//! [`Display`] observes the run. The dashboard has the terminal from the start of training to its end, and gives it back
//! whatever becomes of the run.

mod plot;
mod screen;
mod series;
mod startup;
mod state;
mod text;
mod view;

pub use screen::{THREAD, ends_with_dashboard};

use super::reading::Bar;
use electra_burn::Result;
use electra_burn::corpus::Progress;
use electra_burn::learner::{Phase, RecordEvent, RunStart, StepEvent, TrainObserver, ValidationEvent};
use screen::Shared;
use startup::Startup;
use state::DashboardState;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the thread that draws may take to end; it looks several times a second.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a run, on standard output.
pub struct Display {
    bar: Bar,
    /// Set to the number of a signal by its handler, or by a key.
    signal: Arc<AtomicUsize>,
    /// Whether there is to be a dashboard.
    draws: bool,
    dashboard: Option<Dashboard>,
    startup: Option<Startup>,
}

impl Display {
    /// One that draws a dashboard, whose keys set `signal`, or else prints lines.
    pub fn new(draws: bool, signal: Arc<AtomicUsize>) -> Self {
        Self { bar: Bar::new(), signal, draws, dashboard: None, startup: None }
    }

    /// Changes what the dashboard shows, where there is one.
    fn change(&self, change: impl FnOnce(&mut DashboardState)) {
        if let Some(dashboard) = &self.dashboard {
            change(&mut dashboard.shared.state());
        }
    }

    /// Prints lines, unless the dashboard has the terminal.
    fn print(&self, lines: &str) {
        if self.dashboard.as_ref().is_none_or(|dashboard| dashboard.shared.has_failed()) {
            say!("{lines}");
        }
    }
}

impl TrainObserver for Display {
    fn on_progress(&mut self, progress: Progress) {
        self.bar.show(progress);
    }

    fn on_start(&mut self, start: &RunStart) -> Result<()> {
        if self.draws {
            match Dashboard::open(start.clone(), self.signal.clone()) {
                Ok(dashboard) => self.dashboard = Some(dashboard),
                Err(error) => say!("there is no dashboard, since the terminal cannot be used: {error}"),
            }
        }
        // The dashboard shows this itself.
        if start.compiles && self.dashboard.is_none() {
            self.startup = Some(Startup::begin(|line| _ = writeln!(io::stderr(), "{line}")));
        }
        Ok(())
    }

    fn on_phase(&mut self, phase: Phase) {
        self.change(|state| state.turn_to(phase));
    }

    fn on_step(&mut self, step: &StepEvent) {
        self.startup = None;
        self.change(|state| state.step(step));
    }

    fn on_record(&mut self, record: &RecordEvent) -> Result<()> {
        self.change(|state| state.add_summary(record.summary));
        self.print(record.summary);
        Ok(())
    }

    fn on_validation(&mut self, validation: &ValidationEvent) -> Result<()> {
        self.change(|state| state.validated(validation));
        Ok(())
    }

    fn on_checkpoint(&mut self, step: usize) {
        self.change(|state| state.saved(step));
    }

    fn on_warning(&mut self, warning: &str) {
        self.change(|state| state.warn(warning));
        self.print(&format!("warning: {warning}"));
    }

    fn on_end(&mut self) {
        self.startup = None;
        // What follows is printed on the usual screen.
        if let Some(mut dashboard) = self.dashboard.take() {
            dashboard.close();
            dashboard.told().iter().for_each(|told| say!("{told}"));
        }
    }
}

/// Has the terminal until it is closed or dropped.
struct Dashboard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Takes the terminal. Keys that stop the run set `signal`, as the handler of a signal does.
    ///
    /// # Errors
    /// The terminal's, which is left as it was.
    fn open(start: RunStart, signal: Arc<AtomicUsize>) -> io::Result<Self> {
        let shared = Arc::new(Shared::open(DashboardState::new(start), signal)?);
        let thread = screen::spawn(&shared)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Gives the terminal back.
    fn close(&mut self) {
        self.shared.close();
        // A thread that waits for a key of a terminal which has gone away never ends; the process ends without it.
        let begun = Instant::now();
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// What to print after the dashboard closes: the last warning, the number of warnings, and why it closed early.
    fn told(&self) -> Vec<String> {
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

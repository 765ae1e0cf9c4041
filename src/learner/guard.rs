//! A run while it writes to its directory: whatever ends it, its status says how.

use crate::error::Result;
use crate::files;
use electra_runs::layout::CONFIG;
use electra_runs::{RunDirectory, RunState, Status};

/// A run that is at work. Its directory is locked until the guard goes, which writes the status.
pub(crate) struct RunGuard {
    directory: RunDirectory,
    /// How the run ends unless [`end`](Self::end) is called; only a panic leaves it so.
    ending: (RunState, Option<String>),
}

impl RunGuard {
    /// Begins to write to `directory`: its configuration, and that it is running.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub(crate) fn begin(directory: RunDirectory, config: &str) -> Result<Self> {
        files::write_file(&directory.path().join(CONFIG), config.as_bytes())?;
        let ending = (RunState::Failed, Some("it ended without a reason".into()));
        let mut guard = Self { directory: directory.keep(), ending };
        if let Err(error) = Status::write(RunState::Running, None, guard.directory.path()) {
            guard.ending.1 = Some(error.to_string());
            return Err(error.into());
        }
        Ok(guard)
    }

    /// Ends the run with `result`; `interrupted` says who stopped one that succeeded.
    pub(crate) fn end<T>(mut self, result: Result<T>, interrupted: impl FnOnce(&T) -> Option<String>) -> Result<T> {
        self.ending = match &result {
            Ok(report) => match interrupted(report) {
                Some(reason) => (RunState::Interrupted, Some(reason)),
                None => (RunState::Finished, None),
            },
            Err(error) => (RunState::Failed, Some(error.to_string())),
        };
        result
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        let (state, reason) = &self.ending;
        // On a disk that is full the error of the run itself matters more.
        _ = Status::write(*state, reason.as_deref(), self.directory.path());
    }
}

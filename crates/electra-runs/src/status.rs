//! What a run is at: a status that it keeps, and the lock on its directory.

use crate::error::{Error, Result};
use crate::files;
use crate::layout::STATUS;
use crate::lock::is_locked;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// A process is writing to it.
    Running,
    /// All its steps are done.
    Finished,
    /// It was stopped, or its process died; it can be resumed.
    Interrupted,
    /// It ended with an error.
    Failed,
}

impl RunState {
    /// The word for it: `running`, `finished`, `interrupted`, `failed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// `status.json` of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What it is at.
    pub state: RunState,
    /// The error, or who stopped it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl Status {
    /// Writes the status of the run at `run`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(state: RunState, reason: Option<&str>, run: &Path) -> Result<()> {
        let (path, status) = (run.join(STATUS), Self { state, reason: reason.map(str::to_owned) });
        let text = serde_json::to_string_pretty(&status).map_err(|error| Error::io(&path)(error.into()))?;
        let text = format!("{text}\n");
        // A disk that is full may still have room where the last status stands.
        files::write_file(&path, text.as_bytes()).or_else(|error| overwrite(&path, text.as_bytes()).map_err(|_| error))
    }

    /// The status of the run at `run`, as it is now. Without a file that can be read, and where the process that runs died without
    /// saying so, it is interrupted.
    pub fn read(run: &Path) -> Self {
        let text = files::read_text(&run.join(STATUS), files::SMALL).unwrap_or_default();
        let status: Option<Self> = serde_json::from_str(&text).ok();
        let state = match status.as_ref().map(|status| status.state) {
            _ if is_locked(run) => RunState::Running,
            // No process writes, and none has said why: it died.
            Some(RunState::Running) | None => RunState::Interrupted,
            Some(state) => state,
        };
        // A reason that stands there while a process runs is that of an earlier one.
        let reason = status.and_then(|status| status.reason).filter(|_| state != RunState::Running);
        Self { state, reason }
    }
}

/// Writes over a file that is there.
fn overwrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::options().write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

//! What became of runs: a status that each run keeps, and a table of all.

use super::checkpoint;
use super::directory::is_locked;
use super::health::{Health, Validation, Verdict};
use super::record::METRICS;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// A process is writing to it.
    Running,
    /// All its steps are done.
    Finished,
    /// It was stopped, or its process died; it can go on.
    Interrupted,
    /// It ended with an error.
    Failed,
}

/// `status.json` of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub state: RunState,
    /// The error, or who stopped it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

const STATUS: &str = "status.json";

impl Status {
    pub fn write(state: RunState, reason: Option<&str>, run: &Path) -> Result<()> {
        let status = Self { state, reason: reason.map(str::to_owned) };
        let text = serde_json::to_string_pretty(&status).map_err(|error| Error::Usage(error.to_string()))?;
        files::write_file(&run.join(STATUS), format!("{text}\n").as_bytes())
    }
}

/// A run in a table.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    /// Its directory.
    pub path: PathBuf,
    /// What it is at.
    pub state: RunState,
    /// The error, or who stopped it.
    pub reason: Option<String>,
    /// The step of its last record, or of its newest checkpoint where that is later.
    pub step: usize,
    /// Steps of the whole run, where it has so many.
    pub steps: Option<usize>,
    /// Its last validation, as it stands in `metrics.jsonl`.
    pub last_validation: Option<serde_json::Value>,
    /// How its discriminator does, in words; absent where that is not known, and of other runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Whether something should be done about it.
    #[serde(skip)]
    pub is_trouble: bool,
    /// Size on disk in bytes.
    pub bytes: u64,
}

/// The runs in `directory`, by name; `directory` itself where it is one.
///
/// # Errors
/// [`Error::Input`] where `directory` cannot be read.
pub fn runs(directory: &Path) -> Result<Vec<RunSummary>> {
    if directory.join("config.toml").is_file() {
        return Ok(vec![summary(directory)]);
    }
    let entries = std::fs::read_dir(directory).map_err(|error| Error::input(directory, error.to_string()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.join("config.toml").is_file());
    paths.sort();
    Ok(paths.iter().map(|path| summary(path)).collect())
}

/// What the run at `path` is at, and the error or who stopped it.
pub(crate) fn state_of(path: &Path) -> (RunState, Option<String>) {
    let text = files::read_text(&path.join(STATUS), files::SMALL).unwrap_or_default();
    let status: Option<Status> = serde_json::from_str(&text).ok();
    let state = match status.as_ref().map(|status| status.state) {
        _ if is_locked(path) => RunState::Running,
        // Nobody writes, and nobody has said why: the process died.
        Some(RunState::Running) | None => RunState::Interrupted,
        Some(state) => state,
    };
    (state, status.and_then(|status| status.reason))
}

/// Steps of the whole run with configuration `config`, where it says them.
pub(crate) fn planned_steps(config: &toml::Table) -> Option<usize> {
    usize::try_from(config.get("training")?.get("steps")?.as_integer()?).ok()
}

/// A run that is damaged is told of as far as it can be read.
fn summary(path: &Path) -> RunSummary {
    let (state, reason) = state_of(path);
    let config = files::read_text(&path.join("config.toml"), files::SMALL).unwrap_or_default();
    let config: Option<toml::Table> = toml::from_str(&config).ok();
    let (mut step, mut last_validation, mut health) = (None, None, Health::default());
    // As far as it can be read; the report says what is wrong with it.
    _ = files::each_line(&path.join(METRICS), files::LINE, |_, line| {
        if let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) {
            step = step.max(record["step"].as_u64());
            if record["split"] == "valid" {
                health.extend(Validation::of(&record));
                last_validation = Some(record);
            }
        }
        true
    });
    let saved = checkpoint::steps(&path.join("checkpoints")).ok().and_then(|steps| steps.last().copied());
    let verdict = health.verdict();
    RunSummary {
        verdict: (verdict != Verdict::Unknown).then(|| verdict.to_string()),
        is_trouble: verdict.is_trouble(),
        path: path.to_owned(),
        state,
        reason,
        step: (step.unwrap_or(0) as usize).max(saved.unwrap_or(0)),
        steps: config.as_ref().and_then(planned_steps),
        last_validation,
        bytes: walkdir::WalkDir::new(path)
            .into_iter()
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .filter(|metadata| metadata.is_file())
            .map(|metadata| metadata.len())
            .sum(),
    }
}

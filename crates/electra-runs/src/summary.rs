//! A row for every run in a table of runs.

use crate::checkpoints::checkpoint_steps;
use crate::discover::{Links, discover};
use crate::error::{Error, Result};
use crate::files;
use crate::layout::{CHECKPOINTS, CONFIG, METRICS};
use crate::metrics::Metrics;
use crate::settings::{planned_steps, time_budget};
use crate::status::{RunState, Status};
use serde::Serialize;
use std::path::{Path, PathBuf};

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
    /// Steps of the whole run, where they are limited.
    pub steps: Option<usize>,
    /// The time of the whole run, where it is limited.
    pub time_budget: Option<String>,
    /// The numbers of its last validation.
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

/// The runs in `directory` and in the folders of it, by name; `directory` itself where it is one.
///
/// # Errors
/// [`Error::Input`] where `directory` cannot be read.
pub fn runs(directory: &Path) -> Result<Vec<RunSummary>> {
    std::fs::read_dir(directory).map_err(|error| Error::input(directory, error.to_string()))?;
    Ok(discover(directory, Links::All).iter().map(|run| summary(&run.found)).collect())
}

/// Of a run that is damaged, what can be read.
fn summary(path: &Path) -> RunSummary {
    let Status { state, reason } = Status::read(path);
    let config = files::read_text(&path.join(CONFIG), files::SMALL).unwrap_or_default();
    let config: Option<toml::Table> = toml::from_str(&config).ok();
    // As far as it can be read; the report says what is wrong with it.
    let (metrics, _) = Metrics::read(&path.join(METRICS));
    let saved = checkpoint_steps(&path.join(CHECKPOINTS)).ok().and_then(|steps| steps.last().copied());
    let verdict = metrics.health().verdict();
    RunSummary {
        verdict: verdict.is_known().then(|| verdict.to_string()),
        is_trouble: verdict.is_trouble(),
        path: path.to_owned(),
        state,
        reason,
        step: (metrics.step as usize).max(saved.unwrap_or(0)),
        steps: config.as_ref().and_then(planned_steps),
        time_budget: config.as_ref().and_then(time_budget).map(str::to_owned),
        last_validation: metrics.last_validation,
        bytes: walkdir::WalkDir::new(path)
            .into_iter()
            .filter_map(|entry| entry.ok()?.metadata().ok())
            .filter(|metadata| metadata.is_file())
            .map(|metadata| metadata.len())
            .sum(),
    }
}

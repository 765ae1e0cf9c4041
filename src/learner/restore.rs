//! The model of a checkpoint, for export.

use super::found::verified;
use super::resume::written;
use super::run::Report;
use super::step::Pretrainer;
use crate::config::load;
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use electra_runs::layout::{CHECKPOINTS, CONFIG, METRICS, TOKENIZER};
use electra_runs::{Outcome, Record, RunFacts, checkpoint_steps, read_records};
use std::path::Path;

/// What the run at `directory` had come to at `step`, its last checkpoint by default.
///
/// # Errors
/// [`Error::Input`] for a directory that is no run, and for a step that it has no checkpoint of, with those that it has.
pub fn restore(directory: &Path, step: Option<usize>, device: &Device) -> Result<Report> {
    let config = load(&written(directory.join(CONFIG)))?;
    let checkpoints = directory.join(CHECKPOINTS);
    let steps = checkpoint_steps(&checkpoints).map_err(|error| Error::input(&checkpoints, error.to_string()))?;
    let step = match step.or(steps.last().copied()) {
        Some(step) if steps.contains(&step) => step,
        _ => {
            let found: Vec<String> = steps.iter().map(usize::to_string).collect();
            let found = if found.is_empty() { "none".into() } else { found.join(", ") };
            return Err(Error::input(
                &checkpoints,
                format!("no such checkpoint; expected one of these steps: {found}"),
            ));
        }
    };
    let path = verified(directory, step)?.join("model.bpk");
    let record = ModuleRecord::load(&path).map_err(|error| Error::input(&path, error.to_string()))?;
    let model = Pretrainer::new(&config, device)
        .try_load_record(record)
        .map_err(|error| Error::input(&path, error.to_string()))?;
    let mut records: Vec<Record> = read_records(&directory.join(METRICS))?;
    records.retain(|record| record.step <= step);
    let tokenizer = Tokenizer::load(&directory.join(TOKENIZER))?;
    let facts = RunFacts::read(directory)?.unwrap_or_default();
    let outcome = Outcome { steps: step, records, facts };
    Ok(Report { model, tokenizer, outcome, elapsed: None, interrupted: None, config })
}

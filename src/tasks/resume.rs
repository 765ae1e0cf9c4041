//! The checkpoints of a run of fine-tuning: the one that it resumes from, and the best one, which is judged.

use crate::config::FinetuneConfig;
use crate::error::{Error, Result};
use crate::learner::{Found, Observers, Tally, Validations, newest, verified};
use burn::module::Module;
use burn::store::ModuleRecord;
use electra_runs::RunDirectory;
use electra_runs::layout::CONFIG;
use std::path::Path;

/// The directory of a new run, or that of the run to resume, if it can be resumed with `config`.
pub(super) fn open(resume: bool, output: &Path, config: &FinetuneConfig) -> Result<RunDirectory> {
    if !resume {
        return Ok(RunDirectory::create(output)?);
    }
    let directory = RunDirectory::open(output)?;
    FinetuneConfig::load(Some(output.join(CONFIG)), &[], &[])?.check_changes(config)?;
    Ok(directory)
}

/// The newest checkpoint of the run at `output`, none for a run that is not resumed. `every` is the number of steps between
/// two checkpoints, `fingerprint` that of the run's data.
pub(super) fn found<T: Tally>(
    resume: bool,
    output: &Path,
    every: usize,
    fingerprint: &str,
    observers: &Observers,
) -> Result<Option<Found<T>>> {
    if !resume {
        return Ok(None);
    }
    let found = newest(output, every, &mut |message| observers.stage(message))?;
    if let Some(found) = found.as_ref().filter(|found: &&Found<T>| found.state.store != fingerprint) {
        let message = format!("the data are others than those of {}; a run keeps its own", found.path.display());
        return Err(Error::config("data.train", message));
    }
    Ok(found)
}

/// The step of the best of `validations` by `metric` of a run of `last` steps, and its value. Before the first step there is nothing to
/// keep, and between checkpoints, `every` steps apart, neither.
pub(super) fn best_kept(validations: &Validations, metric: &str, last: usize, every: usize) -> (usize, Option<f64>) {
    let is_kept = |step: usize| step > 0 && (step.is_multiple_of(every.max(1)) || step == last);
    validations.best(metric, is_kept).map_or((last, None), |best| (best.step, Some(best.value)))
}

/// The model as it was at `step`, without autodiff.
///
/// # Errors
/// [`Error::Input`] for a checkpoint that is missing or damaged.
pub(super) fn at_checkpoint<M: Module>(model: M, run: &Path, step: usize) -> Result<M> {
    let path = verified(run, step)?.join("model.bpk");
    let damaged = |error: &dyn std::fmt::Display| Error::input(&path, error.to_string());
    let record = ModuleRecord::load(&path).map_err(|error| damaged(&error))?;
    model.try_load_record(record).map_err(|error| damaged(&error))
}

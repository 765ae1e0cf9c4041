//! The checkpoint that a run is resumed from: the newest whole one. What cannot be read, or is of another version, is
//! refused, and nothing is changed before a newer checkpoint is whole.

use super::interval::Interval;
use super::saved::{CheckpointState, INTERVAL, Unusable};
use super::statistics::Tally;
use crate::error::{Error, Result};
use crate::files;
use electra_runs::layout::{
    CHECKPOINTS, CONFIG, DISCRIMINATOR, EVENTS, FACTS, GENERATOR, METRICS, MODEL, RESULTS, SAMPLES, STATUS,
};
use electra_runs::{RunDirectory, RunFacts, checkpoint_name as name, checkpoint_steps as steps, last_step};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The directory of the checkpoint of `step` of the run at `run`, which must be whole.
///
/// # Errors
/// [`Error::Input`] for one that is missing, damaged, or of another version.
pub(crate) fn verified(run: &Path, step: usize) -> Result<PathBuf> {
    let path = run.join(CHECKPOINTS).join(name(step));
    match CheckpointState::verify(&path) {
        Ok(_) => Ok(path),
        Err(Unusable::Damaged(why)) => Err(Error::input(&path, format!("{why}; expected a whole checkpoint"))),
        Err(Unusable::Refused(error)) => Err(error),
    }
}

/// A checkpoint that is whole.
pub(crate) struct Found<T> {
    pub path: PathBuf,
    pub state: CheckpointState,
    /// The metrics since the last record.
    pub interval: Interval<T>,
}

/// The time that a run had used at the checkpoint `found`.
pub(crate) fn used<T>(found: Option<&Found<T>>) -> Duration {
    let seconds = found.map_or(0.0, |found| found.interval.elapsed);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The newest whole checkpoint of the run at `run`, none where it was killed before its first; `say` receives a line about those that
/// are damaged. `every` is the number of steps between two.
///
/// # Errors
/// [`Error::Input`] for a checkpoint that cannot be read or is of another version, and where there were checkpoints of which
/// none is whole. Nothing is changed.
pub(crate) fn newest<T: Tally>(run: &Path, every: usize, say: &mut dyn FnMut(&str)) -> Result<Option<Found<T>>> {
    check_records(run)?;
    let directory = &run.join(CHECKPOINTS);
    let steps = match steps(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        steps => steps.map_err(|error| Error::input(directory, error.to_string()))?,
    };
    for &step in steps.iter().rev() {
        let path = directory.join(name(step));
        let whole = CheckpointState::verify(&path).and_then(|state| {
            let file = path.join(INTERVAL);
            let interval = files::read(&file, files::LARGE).map_err(|error| Unusable::of(&file, &error))?;
            let interval = Interval::from_bytes(&interval);
            interval
                .map(|interval| (state, interval))
                .map_err(|error| Unusable::Refused(Error::input(&file, error.to_string())))
        });
        match whole {
            Ok((state, interval)) => return Ok(Some(Found { path, state, interval })),
            Err(Unusable::Damaged(why)) => say(&format!(
                "the checkpoint {} is damaged ({why}) and stays until a newer one is whole; going back",
                path.display()
            )),
            Err(Unusable::Refused(error)) => return Err(error),
        }
    }
    let begin_anew = "`--restart` begins at step 0 and moves what is there into a folder of the run";
    // What a run exports when it ends.
    let trained = EXPORTS.into_iter().find(|name| run.join(name).exists());
    match (steps.len(), last_step(&run.join(METRICS))) {
        (0, last) if last > every => {
            let message =
                format!("there is no checkpoint, but records up to step {last}; expected checkpoints/. {begin_anew}");
            Err(Error::input(directory, message))
        }
        (0, _) => match trained {
            Some(name) => {
                let message = format!(
                    "there is no checkpoint, but a trained model in {name}/; expected checkpoints/. {begin_anew}"
                );
                Err(Error::input(directory, message))
            }
            None => Ok(None),
        },
        (count, _) => Err(Error::input(
            directory,
            format!("none of {count} checkpoints is whole; nothing was changed. {begin_anew}"),
        )),
    }
}

/// Checks that what a run writes to beside its checkpoints can be read and written.
///
/// # Errors
/// [`Error::Input`] for a file that cannot; nothing is changed.
fn check_records(run: &Path) -> Result<()> {
    RunFacts::read(run)?;
    for name in [METRICS, SAMPLES, STATUS] {
        let path = run.join(name);
        match files::open(&path).and_then(|_| std::fs::OpenOptions::new().append(true).open(&path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let message =
                    format!("{error}; the run is left as it is: expected a file that can be read and written");
                return Err(Error::input(&path, message));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a run leaves beside its checkpoints and records.
const EXPORTS: [&str; 3] = [DISCRIMINATOR, GENERATOR, MODEL];
const REPORTS: [&str; 3] = [RESULTS, FACTS, STATUS];

/// Moves what the run at `run` has come to into a new folder `before-restart-N` of it, which is returned with the last step that was
/// recorded. A copy of the configuration goes with it; nothing is removed.
///
/// # Errors
/// [`Error::Input`] where there is no run, [`Error::Output`] where another process writes to it, [`Error::Io`].
pub fn set_aside(run: &Path) -> Result<(PathBuf, usize)> {
    let _locked = RunDirectory::open(run)?;
    let step = last_step(&run.join(METRICS));
    let folder = |number: usize| run.join(format!("before-restart-{number}"));
    let aside = (1..).map(folder).find(|folder| !folder.exists()).unwrap_or_else(|| folder(0));
    std::fs::create_dir(&aside).map_err(Error::io(&aside))?;
    let config = run.join(CONFIG);
    std::fs::copy(&config, aside.join(CONFIG)).map_err(Error::io(&config))?;
    let events =
        std::fs::read_dir(run).map_err(Error::io(run))?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let events: Vec<String> = events.filter(|name| name.starts_with(EVENTS)).collect();
    let names = [CHECKPOINTS, METRICS, SAMPLES].into_iter().chain(EXPORTS).chain(REPORTS);
    for name in names.chain(events.iter().map(String::as_str)) {
        match std::fs::rename(run.join(name), aside.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(run.join(name))(error)),
            _ => {}
        }
    }
    Ok((aside, step))
}

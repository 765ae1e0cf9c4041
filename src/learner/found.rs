//! The checkpoint that a run is resumed from: the newest whole one. What cannot be read, or is of another version, is
//! refused, and nothing is changed before a newer checkpoint is whole.

use super::checkpoint::{INTERVAL, PARTS};
use super::interval::Interval;
use super::trainee::Tally;
use crate::error::{Error, Result};
use crate::files;
use electra_runs::layout::{
    CHECKPOINTS, CONFIG, DISCRIMINATOR, EVENTS, FACTS, GENERATOR, METRICS, MODEL, RESULTS, SAMPLES, STATE, STATUS,
};
use electra_runs::{RunDirectory, RunFacts, checkpoint_name as name, checkpoint_steps as steps, last_step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a checkpoint says of itself: `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(super) schema: usize,
    /// Version of the program that wrote it.
    #[serde(default)]
    pub(super) program: String,
    /// Steps done.
    pub step: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Fingerprint of the token store.
    pub store: String,
    /// SHA-256 of every other file.
    pub(super) files: BTreeMap<String, String>,
}

/// Version of the checkpoints' layout.
pub(super) const SCHEMA: usize = 3;

/// Why a checkpoint cannot be resumed from.
pub(crate) enum Unusable {
    /// A part of it is missing, cut off, or has another hash: an earlier one may do.
    Damaged(String),
    /// It may be whole, but cannot be read, or is of another version of the program: nothing is to be done about it but by
    /// the user.
    Refused(Error),
}

impl Unusable {
    /// Of an error while `path` is read.
    fn of(path: &Path, error: &std::io::Error) -> Self {
        let directory = path.parent().unwrap_or(path);
        match error.kind() {
            // Its disk may come back.
            ErrorKind::NotFound if directory.is_symlink() && !directory.exists() => {
                Self::Refused(Error::input(directory, "it is a link to nothing; expected a checkpoint"))
            }
            ErrorKind::NotFound => {
                Self::Damaged(format!("{} is missing", path.file_name().unwrap_or_default().display()))
            }
            _ => Self::Refused(Error::input(
                path,
                format!(
                    "{error}; the checkpoint may be whole, so the run is left as it is: expected a file that can be read"
                ),
            )),
        }
    }
}

/// The version of a checkpoint alone.
#[derive(Deserialize)]
struct Version {
    schema: usize,
    #[serde(default)]
    program: String,
}

impl State {
    /// Reads the state of the checkpoint in `directory` and compares every file with its hash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(directory: &Path) -> std::result::Result<Self, Unusable> {
        let path = directory.join(STATE);
        let text = files::read(&path, files::SMALL).map_err(|error| Unusable::of(&path, &error))?;
        let value: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| Unusable::Damaged(format!("state.json is no whole JSON: {error}")))?;
        let refused = |message: String| Unusable::Refused(Error::input(&path, message));
        let Version { schema, program } = Version::deserialize(&value)
            .map_err(|error| refused(format!("{error}; expected the state of a checkpoint")))?;
        if schema != SCHEMA {
            let by =
                if program.is_empty() { "another version of electra".into() } else { format!("electra {program}") };
            let reads = format!("electra {} reads {SCHEMA}", env!("CARGO_PKG_VERSION"));
            return Err(refused(format!(
                "its schema is {schema}, written by {by}; {reads}: resume with the program that wrote it"
            )));
        }
        let state = Self::deserialize(&value).map_err(|error| refused(error.to_string()))?;
        if directory.file_name().is_none_or(|found| *found != *name(state.step)) {
            return Err(Unusable::Damaged(format!("state.json is of step {}", state.step)));
        }
        for part in PARTS.map(|part| format!("{part}.bpk")).into_iter().chain([INTERVAL.into()]) {
            if !state.files.contains_key(&part) {
                return Err(Unusable::Damaged(format!("state.json does not name {part}")));
            }
        }
        for (name, expected) in &state.files {
            let path = directory.join(name);
            let found = files::sha256(&path).map_err(|error| Unusable::of(&path, &error))?;
            if found != *expected {
                return Err(Unusable::Damaged(format!("{name}: its sha256 is {found}, state.json says {expected}")));
            }
        }
        Ok(state)
    }
}

/// The directory of the checkpoint of `step` of the run at `run`, which must be whole.
///
/// # Errors
/// [`Error::Input`] for one that is missing, damaged, or of another version.
pub(crate) fn verified(run: &Path, step: usize) -> Result<PathBuf> {
    let path = run.join(CHECKPOINTS).join(name(step));
    match State::verify(&path) {
        Ok(_) => Ok(path),
        Err(Unusable::Damaged(why)) => Err(Error::input(&path, format!("{why}; expected a whole checkpoint"))),
        Err(Unusable::Refused(error)) => Err(error),
    }
}

/// A checkpoint that is whole.
pub(crate) struct Found<T> {
    pub path: PathBuf,
    pub state: State,
    /// The metrics since the last record.
    pub interval: Interval<T>,
}

/// The time that a run had used at the checkpoint `found`.
pub(crate) fn used<T>(found: Option<&Found<T>>) -> Duration {
    let seconds = found.map_or(0.0, |found| found.interval.elapsed);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The newest whole checkpoint of the run at `run`, none where it was killed before its first; `say` hears of those that
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
        let whole = State::verify(&path).and_then(|state| {
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

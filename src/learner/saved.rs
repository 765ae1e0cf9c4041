//! What a checkpoint says of itself, and whether it is whole.

use crate::error::Error;
use crate::files;
use electra_runs::checkpoint_name as name;
use electra_runs::layout::STATE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// The parts of a checkpoint.
pub(super) const PARTS: [&str; 3] = ["model", "optimizer", "scheduler"];

/// The metrics since the last record.
pub(super) const INTERVAL: &str = "interval.safetensors";

/// What a checkpoint says of itself: `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointState {
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
    pub(crate) fn of(path: &Path, error: &std::io::Error) -> Self {
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

impl CheckpointState {
    /// Reads the state of the checkpoint in `directory` and compares every file with its hash.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn verify(directory: &Path) -> std::result::Result<Self, Unusable> {
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

//! Checkpoints by step: `checkpoints/step-0001000/` with `model.bpk`, `optimizer.bpk`, `scheduler.bpk`, `state.json`.
//!
//! Burn writes the three parts on three threads. Each goes into a hidden neighbour of the final directory; whoever
//! finishes last adds `state.json` and renames it, so that a checkpoint is whole or absent.

use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::EventStoreClient;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of a checkpoint.
const PARTS: [&str; 3] = ["model", "optimizer", "scheduler"];

/// Name of the directory of the checkpoint at `step`.
pub(super) fn name(step: usize) -> String {
    format!("step-{step:07}")
}

/// The steps that `directory` has whole checkpoints of, ascending.
pub(super) fn steps(directory: &Path) -> std::io::Result<Vec<usize>> {
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        steps.extend(name.to_str().and_then(|name| name.strip_prefix("step-")?.parse::<usize>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

/// The checkpoints of a run.
#[derive(Clone)]
pub(super) struct Checkpoints {
    directory: PathBuf,
    seed: u64,
    /// Parts written so far, by step.
    written: Arc<Mutex<BTreeMap<usize, usize>>>,
}

impl Checkpoints {
    pub fn new(directory: PathBuf, seed: u64) -> Self {
        Self { directory, seed, written: Arc::default() }
    }

    /// The writers of the three parts, in the order in which Burn takes them.
    pub fn parts(&self) -> [Part; 3] {
        PARTS.map(|name| Part { checkpoints: self.clone(), name })
    }

    fn path(&self, step: usize) -> PathBuf {
        self.directory.join(name(step))
    }

    fn partial(&self, step: usize) -> PathBuf {
        self.directory.join(format!(".step-{step:07}.partial"))
    }

    /// Counts a part; the last one makes the checkpoint whole.
    fn part_written(&self, step: usize) -> std::io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let count = written.entry(step).or_default();
        *count += 1;
        if *count < PARTS.len() {
            return Ok(());
        }
        written.remove(&step);
        let partial = self.partial(step);
        let state = serde_json::json!({"schema": 1, "step": step, "seed": self.seed});
        std::fs::write(partial.join("state.json"), format!("{state:#}\n"))?;
        for name in PARTS.iter().map(|part| format!("{part}.bpk")).chain(["state.json".into()]) {
            std::fs::File::open(partial.join(name))?.sync_all()?;
        }
        std::fs::rename(&partial, self.path(step))?;
        sync_directory(&self.directory)
    }
}

/// Flushes the entries of `directory`, so that a rename survives a power cut; a no-op where that cannot be asked for.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Writes one part of every checkpoint.
pub(super) struct Part {
    checkpoints: Checkpoints,
    name: &'static str,
}

impl<R: Checkpoint> Checkpointer<R> for Part {
    fn save(&self, step: usize, record: R) -> Result<(), CheckpointerError> {
        let partial = self.checkpoints.partial(step);
        std::fs::create_dir_all(&partial).map_err(CheckpointerError::IOError)?;
        record.save(partial.join(format!("{}.bpk", self.name)))?;
        self.checkpoints.part_written(step).map_err(CheckpointerError::IOError)
    }

    fn delete(&self, step: usize) -> Result<(), CheckpointerError> {
        // Burn asks for all three parts; one of them removes the directory.
        if self.name != PARTS[0] {
            return Ok(());
        }
        std::fs::remove_dir_all(self.checkpoints.path(step)).map_err(CheckpointerError::IOError)
    }

    fn restore(&self, step: usize) -> Result<R, CheckpointerError> {
        R::load(self.checkpoints.path(step).join(format!("{}.bpk", self.name)))
    }
}

/// Saves whenever the strategy asks, and removes all but the newest `keep` checkpoints.
pub(super) struct KeepNewest {
    keep: usize,
    saved: VecDeque<usize>,
}

impl KeepNewest {
    pub fn new(keep: usize) -> Self {
        Self { keep, saved: VecDeque::new() }
    }
}

impl CheckpointingStrategy for KeepNewest {
    fn checkpointing(&mut self, step: usize, _store: &EventStoreClient) -> Vec<CheckpointingAction> {
        self.saved.push_back(step);
        // Saving comes first. A writer takes it only once it is done with the step before, so what is removed after it
        // is whole by then.
        let old = (self.saved.len() > self.keep).then(|| self.saved.pop_front()).flatten();
        std::iter::once(CheckpointingAction::Save).chain(old.map(CheckpointingAction::Delete)).collect()
    }
}

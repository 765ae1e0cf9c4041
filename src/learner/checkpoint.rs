//! Checkpoints by step: `checkpoints/step-0001000/` with `model.bpk`, `optimizer.bpk`, `scheduler.bpk`, the open interval
//! of the metrics, and `state.json`, which holds their hashes.
//!
//! Burn writes the three parts on three threads. Each goes into a hidden neighbour of the final directory; whoever
//! finishes last adds the rest and renames it, so that a checkpoint is whole or absent.

use super::interval::{Interval, SharedInterval, locked};
use super::observer::Observers;
use super::saved::{CheckpointState, INTERVAL, PARTS, SCHEMA};
use super::statistics::Tally;
use super::validations::Validations;
use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use crate::files;
use burn::train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn::train::metric::store::EventStoreClient;
use electra_runs::layout::STATE;
use electra_runs::{checkpoint_name as name, checkpoint_steps as steps, forget_removed};
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The checkpoints of a run.
#[derive(Clone)]
pub(super) struct Checkpoints<T> {
    directory: PathBuf,
    seed: u64,
    store: String,
    interval: SharedInterval<T>,
    /// Which ones are kept.
    keep: TrainingConfig,
    /// Parts written so far, by step.
    written: Arc<Mutex<BTreeMap<usize, usize>>>,
    /// Parts that are written, or cannot be, since the last [`begin`](Self::begin).
    ended: Arc<(Mutex<usize>, Condvar)>,
    /// The interval as it was when the step's checkpoint was begun.
    intervals: Arc<Mutex<BTreeMap<usize, Interval<T>>>>,
    /// Steps of damaged checkpoints newer than the one that the run was resumed from. They stay until a newer one is whole.
    damaged: Arc<Mutex<Vec<usize>>>,
    /// A suffix that makes this process's temporary names unique.
    mark: Arc<str>,
    /// They receive a warning for writes that fail.
    observers: Observers,
    /// Which one is the best.
    validations: Validations,
}

impl<T: Tally> Checkpoints<T> {
    /// Those below `directory` of a run that stands at `step`, beyond which all are damaged. The leftovers of a process that
    /// was killed while it wrote one are removed.
    pub(super) fn new(
        directory: PathBuf,
        step: usize,
        (seed, keep): (u64, TrainingConfig),
        store: String,
        interval: SharedInterval<T>,
    ) -> Result<Self> {
        let (written, ended, intervals) = Default::default();
        let (observers, validations) = Default::default();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mark = format!("{}-{:x}", std::process::id(), now.as_nanos()).into();
        let damaged = Arc::new(Mutex::new(begin(&directory, step).map_err(Error::io(&directory))?));
        Ok(Self {
            directory,
            seed,
            store,
            interval,
            keep,
            written,
            ended,
            intervals,
            damaged,
            mark,
            observers,
            validations,
        })
    }

    /// The same, with failed writes reported to `observers` and the best checkpoint chosen by `validations`.
    pub(super) fn reporting_to(self, observers: Observers, validations: Validations) -> Self {
        Self { observers, validations, ..self }
    }

    /// The writers of the three parts, in the order in which Burn takes them.
    pub(super) fn parts(&self) -> [PartWriter<T>; 3] {
        PARTS.map(|name| PartWriter { checkpoints: self.clone(), name })
    }

    /// Takes down the open interval for the checkpoint of `step`, which is saved next, and the time that the run has used; all
    /// steps must have been counted.
    pub(super) fn begin(&self, step: usize, elapsed: Duration) {
        let mut interval = locked(&self.interval).clone();
        interval.elapsed = elapsed.as_secs_f64();
        self.intervals.lock().unwrap_or_else(PoisonError::into_inner).insert(step, interval);
        *self.ended.0.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// Waits until all parts of the checkpoint are written, or cannot be. A step that began earlier would be lost beside
    /// those since the checkpoint before, if the process were killed; and on GPU backends its update in place would write
    /// over tensors that Burn's writer threads still read.
    pub(super) fn wait(&self) {
        let (count, changed) = &*self.ended;
        let ended = count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(ended, |ended| *ended < PARTS.len()));
    }

    fn part_ended(&self) {
        let (count, changed) = &*self.ended;
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
    }

    fn path(&self, step: usize) -> PathBuf {
        self.directory.join(name(step))
    }

    fn partial(&self, step: usize) -> PathBuf {
        self.directory.join(format!(".{}{PARTIAL}{}", name(step), self.mark))
    }

    /// Writes a part of the checkpoint of `step`; tries again after one, two and four seconds.
    fn retry(&self, step: usize, mut work: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
        for pause in [1, 2, 4] {
            let Err(error) = work() else { return Ok(()) };
            let path = self.path(step);
            let warning = format!("{} cannot be written ({error}); trying again in {pause} s", path.display());
            self.observers.each(|observer| observer.on_warning(&warning));
            std::thread::sleep(Duration::from_secs(pause));
        }
        work()
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
        let interval = self.intervals.lock().unwrap_or_else(PoisonError::into_inner).remove(&step);
        self.retry(step, || self.complete(step, interval.as_ref()))
    }

    /// Adds what is missing beside the parts, and gives the checkpoint its name.
    fn complete(&self, step: usize, interval: Option<&Interval<T>>) -> std::io::Result<()> {
        let partial = self.partial(step);
        let mut files = PARTS.map(|part| format!("{part}.bpk")).to_vec();
        if let Some(interval) = interval {
            let bytes = interval.to_bytes().map_err(std::io::Error::other)?;
            std::fs::write(partial.join(INTERVAL), bytes)?;
            files.push(INTERVAL.into());
        }
        let mut hashes = BTreeMap::new();
        for file in files {
            let path = partial.join(&file);
            std::fs::File::open(&path)?.sync_all()?;
            hashes.insert(file, files::sha256(&path)?);
        }
        let program = env!("CARGO_PKG_VERSION").into();
        let state = CheckpointState {
            schema: SCHEMA,
            program,
            step,
            seed: self.seed,
            store: self.store.clone(),
            files: hashes,
        };
        let mut file = std::fs::File::create(partial.join(STATE))?;
        file.write_all(format!("{}\n", serde_json::to_string_pretty(&state)?).as_bytes())?;
        file.sync_all()?;
        // A damaged checkpoint of the same step may be in the way.
        self.remove(step)?;
        std::fs::rename(&partial, self.path(step))?;
        sync_directory(&self.directory)?;
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        // The one of this step has just been replaced, later ones have not.
        damaged.retain(|&other| other != step);
        while let Some(at) = damaged.iter().position(|&other| other < step) {
            self.remove(damaged[at])?;
            damaged.swap_remove(at);
        }
        self.excess(step)?.into_iter().try_for_each(|old| self.remove(old))?;
        forget_removed(self.directory.parent().unwrap_or(Path::new(".")), step)
    }

    /// The checkpoints up to `newest` that are neither among the newest nor the best nor one of those that are kept for good.
    fn excess(&self, newest: usize) -> std::io::Result<Vec<usize>> {
        let mut steps = steps(&self.directory)?;
        steps.retain(|&step| step <= newest);
        let best_by = |metric| self.validations.best(metric, |step| steps.contains(&step));
        let best = self.keep.keep_best.as_deref().and_then(best_by).map(|best| best.step);
        steps.truncate(steps.len().saturating_sub(self.keep.keep_checkpoints));
        let every = self.keep.keep_every;
        steps.retain(|&step| Some(step) != best && (every == 0 || !step.is_multiple_of(every)));
        Ok(steps)
    }

    /// Removes the checkpoint of `step`; a reader sees all of it or nothing.
    fn remove(&self, step: usize) -> std::io::Result<()> {
        let old = self.directory.join(format!(".{}{OLD}{}", name(step), self.mark));
        match std::fs::rename(self.path(step), &old) {
            Ok(()) if remove_ours(&old)? => Ok(()),
            // What else lay there stays, where it is seen.
            Ok(()) => std::fs::rename(&old, self.directory.join(format!("{}.kept-{}", name(step), self.mark))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Makes `directory` ready for the checkpoints of a run that stands at `step`: the steps of those beyond it.
fn begin(directory: &Path, step: usize) -> std::io::Result<Vec<usize>> {
    std::fs::create_dir_all(directory)?;
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(".step-") && (name.contains(PARTIAL) || name.contains(OLD)) {
            remove_ours(&path)?;
        }
    }
    Ok(steps(directory)?.into_iter().filter(|&found| found > step).collect())
}

/// Parts of the names of what is being written or removed, between that of the checkpoint and the mark of a process.
const PARTIAL: &str = ".partial-";
const OLD: &str = ".old-";

/// Removes the files of a checkpoint in `directory`, and that where nothing else is in it; whether it is gone. Of a link only that
/// goes.
fn remove_ours(directory: &Path) -> std::io::Result<bool> {
    if directory.is_symlink() {
        return std::fs::remove_file(directory).map(|()| true);
    }
    let parts = PARTS.map(|part| format!("{part}.bpk"));
    for name in parts.iter().map(String::as_str).chain([INTERVAL, STATE]) {
        match std::fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match std::fs::remove_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Flushes the entries of `directory`, so that a rename survives a power cut; a no-op where that cannot be asked for.
fn sync_directory(directory: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

/// Writes one part of every checkpoint.
pub(super) struct PartWriter<T> {
    checkpoints: Checkpoints<T>,
    name: &'static str,
}

impl<R: Checkpoint, T: Tally> Checkpointer<R> for PartWriter<T> {
    fn save(&self, step: usize, record: R) -> std::result::Result<(), CheckpointerError> {
        let _ended = Ended(&self.checkpoints);
        // A panic, of an observer say, would end Burn's thread, and with the next checkpoint the process.
        let saved = catch_unwind(AssertUnwindSafe(|| self.write(step, record)));
        saved.unwrap_or_else(|_| Err(CheckpointerError::Unknown(format!("a panic while {} was written", self.name))))
    }

    fn delete(&self, _step: usize) -> std::result::Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, step: usize) -> std::result::Result<R, CheckpointerError> {
        R::load(self.checkpoints.path(step).join(format!("{}.bpk", self.name)))
    }
}

impl<T: Tally> PartWriter<T> {
    /// Writes the part of the checkpoint of `step`.
    fn write<R: Checkpoint>(&self, step: usize, record: R) -> std::result::Result<(), CheckpointerError> {
        let bytes = record.checkpoint_into_bytes().map_err(CheckpointerError::Record)?;
        // A disk that is full for a moment must not end a run of days.
        let write = || -> std::io::Result<()> {
            let partial = self.checkpoints.partial(step);
            std::fs::create_dir_all(&partial)?;
            std::fs::write(partial.join(format!("{}.bpk", self.name)), &bytes[..])
        };
        let result = self.checkpoints.retry(step, write).and_then(|()| self.checkpoints.part_written(step));
        // Burn reports the error without the path.
        result.map_err(|error| {
            let path = self.checkpoints.path(step);
            CheckpointerError::Unknown(format!("the checkpoint {} cannot be written: {error}", path.display()))
        })
    }
}

/// Says when it goes that a part has ended, after an error or a panic too.
struct Ended<'a, T: Tally>(&'a Checkpoints<T>);

impl<T: Tally> Drop for Ended<'_, T> {
    fn drop(&mut self) {
        self.0.part_ended();
    }
}

/// Saves whenever it is asked; what is removed, [`Checkpoints`] decides once the new one is whole.
pub(super) struct Always;

impl CheckpointingStrategy for Always {
    fn checkpointing(&mut self, _step: usize, _store: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

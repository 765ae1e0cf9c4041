//! What a run reports while it trains, and who receives it: a terminal, TensorBoard, a program of one's own.

use super::length::Length;
use crate::corpus::Progress;
use crate::error::Result;
use electra_runs::Sample;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Observes a run, of pretraining or of fine-tuning. Every method does nothing by default. Calls come one at a time, from several
/// threads; training waits for all of them but [`on_record`](Self::on_record). A panic in one ends the run.
pub trait TrainObserver: Send {
    /// Receives what is done before training, and remarks on the run.
    fn on_progress(&mut self, _progress: Progress) {}

    /// Training begins.
    ///
    /// # Errors
    /// One of the observer, which ends the run before its first step.
    fn on_start(&mut self, _start: &RunStart) -> Result<()> {
        Ok(())
    }

    /// The run turns to something else.
    fn on_phase(&mut self, _phase: Phase) {}

    /// A step is done and its numbers are on the host.
    fn on_step(&mut self, _step: &StepEvent) {}

    /// There is a new record in `metrics.jsonl`.
    ///
    /// # Errors
    /// One of the observer, which stops the run after a checkpoint of the step that it is at; so for the other methods that can fail.
    fn on_record(&mut self, _record: &RecordEvent) -> Result<()> {
        Ok(())
    }

    /// A validation is done.
    ///
    /// # Errors
    /// Those of [`on_record`](Self::on_record).
    fn on_validation(&mut self, _validation: &ValidationEvent) -> Result<()> {
        Ok(())
    }

    /// Whether [`on_validation`](Self::on_validation) uses the norms, which cost a transfer from the device.
    fn wants_norms(&self) -> bool {
        false
    }

    /// The checkpoint of `step` is whole.
    fn on_checkpoint(&mut self, _step: usize) {}

    /// Something went wrong that the run survives.
    fn on_warning(&mut self, _warning: &str) {}

    /// Training has ended, whatever the reason. Follows every [`on_start`](Self::on_start), one that
    /// fails too.
    fn on_end(&mut self) {}
}

/// What is known of a run when it begins to train.
#[derive(Debug, Clone)]
pub struct RunStart {
    /// The run directory.
    pub run: PathBuf,
    /// Name and description of each device, with its memory where that is known.
    pub devices: Vec<String>,
    /// Steps done before.
    pub step: usize,
    /// Real tokens of these steps.
    pub tokens: usize,
    /// How long the run is.
    pub length: Length,
    /// Whether a device compiles and tunes its kernels during the first steps.
    pub compiles: bool,
    /// When the checkpoint that the run resumes from was written.
    pub checkpoint: Option<SystemTime>,
    /// Names of the numbers that steps have, for example `MLM loss` and `Tokens/s`; validations have those that do not depend on time.
    pub numbers: Vec<&'static str>,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Steps of training.
    Training,
    /// A validation.
    Validating,
    /// A checkpoint is written.
    Saving,
}

/// A step that is done.
pub struct StepEvent<'a> {
    /// The step, from 1.
    pub step: usize,
    /// Its real tokens.
    pub tokens: usize,
    /// Computes its numbers by name, for who shows them; one that is a mean over nothing is NaN. An AUC of every step would cost those
    /// who do not.
    pub numbers: &'a dyn Fn() -> Vec<(&'static str, f64)>,
}

/// A record of `metrics.jsonl`.
#[derive(Debug)]
pub struct RecordEvent<'a> {
    /// Steps done.
    pub step: usize,
    /// `train` or `valid`.
    pub split: &'a str,
    /// Its columns.
    pub columns: &'a Map<String, Value>,
    /// The same for people: a line, and below it remarks and warnings.
    pub summary: &'a str,
}

/// A validation that is done.
#[derive(Debug)]
pub struct ValidationEvent<'a> {
    /// Steps done.
    pub step: usize,
    /// Its numbers by name, over the whole validation, as its record has them.
    pub numbers: &'a [(&'static str, f64)],
    /// A held-out text as the networks see it.
    pub sample: Option<&'a Sample>,
    /// The norms of weights and gradients by block, where an observer wants them.
    pub norms: &'a [(String, f64)],
}

/// The observers of a run. A clone has the same observers; what is added to it later, it has alone.
#[derive(Clone, Default)]
pub struct Observers(Vec<Arc<Mutex<dyn TrainObserver>>>);

impl Observers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// These and `observer`.
    #[must_use]
    pub fn with(mut self, observer: impl TrainObserver + 'static) -> Self {
        self.0.push(Arc::new(Mutex::new(observer)));
        self
    }

    /// Reports what is done.
    pub fn progress(&self, progress: Progress) {
        self.each(|observer| observer.on_progress(progress));
    }

    /// Reports `message` as what is done.
    pub fn stage(&self, message: &str) {
        self.progress(Progress::Stage(message));
    }

    /// Calls every observer.
    pub(super) fn each(&self, mut call: impl FnMut(&mut dyn TrainObserver)) {
        for observer in &self.0 {
            call(&mut *observer.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The same, for calls that can fail.
    ///
    /// # Errors
    /// The first; the observers after it are called too.
    pub(super) fn try_each(&self, mut call: impl FnMut(&mut dyn TrainObserver) -> Result<()>) -> Result<()> {
        let mut result = Ok(());
        self.each(|observer| {
            let called = call(observer);
            if result.is_ok() {
                result = called;
            }
        });
        result
    }

    /// Whether one of them wants norms.
    pub(super) fn want_norms(&self) -> bool {
        let mut want = false;
        self.each(|observer| want |= observer.wants_norms());
        want
    }
}

//! What a run of the Learner has to do, whatever it trains.

use super::found::Found;
use super::length::Length;
use super::metrics::MakeRecord;
use super::samples::MakeSample;
use super::statistics::Tally;
use super::trainee::{TallyOf, Trainee};
use super::validations::EarlyStopping;
use crate::config::{LoggingConfig, TrainingConfig};
use crate::corpus::Progress;
use crate::data::Cursor;
use crate::device::Adapters;
use crate::error::Result;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::train::{TrainLoader, ValidLoader};
use electra_runs::{RunDirectory, RunFacts};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// Faults that tests put into a run; by default none.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Steps, from 1, whose gradients become NaN.
    pub poisoned_steps: Vec<usize>,
    /// The step, from 1, after which the thread that trains panics.
    pub panic_at: Option<usize>,
}

pub(super) type RecordOf<M> = <TallyOf<M> as Tally>::Record;

/// What there is to do. The run directory is locked and holds `config.toml`.
pub(crate) struct Job<'a, M: Trainee> {
    pub directory: RunDirectory,
    pub output: &'a Path,
    pub adapters: &'a Adapters,
    pub model: M,
    pub optimizer: ModuleOptimizer,
    /// How long the run is.
    pub length: Length,
    /// At the step where training begins.
    pub schedule: ModuleLrScheduler,
    /// What is known of the run before it begins.
    pub facts: RunFacts,
    /// The checkpoint to resume from.
    pub found: Option<Found<TallyOf<M>>>,
    /// Of the training data.
    pub fingerprint: String,
    /// Of each device its share of the training steps, and the validation on the first.
    pub loaders: (Vec<TrainLoader<M>>, ValidLoader<M>),
    /// Which sequences step `step`, counted from 0, has.
    pub sequences: Arc<dyn Fn(usize) -> Vec<usize> + Send + Sync>,
    /// The window that the loaders serve.
    pub cursor: Cursor,
    pub make_record: MakeRecord<TallyOf<M>>,
    /// What makes a sample at every validation, where there shall be some.
    pub make_sample: Option<MakeSample<M>>,
    /// What else is judged at every validation, before its record is made.
    pub evaluate: Option<Evaluate<M>>,
    pub seed: u64,
    pub max_grad_norm: f64,
    pub batch_size: usize,
    pub training: &'a TrainingConfig,
    pub early_stopping: Option<EarlyStopping>,
    pub logging: &'a LoggingConfig,
    pub signal: Arc<AtomicUsize>,
    pub faults: Faults,
    pub dashboard: bool,
    pub progress: &'a mut dyn FnMut(Progress),
}

/// What judges a model, without autodiff, at a validation.
pub(crate) type Evaluate<M> = Box<dyn Fn(&M) -> Result<()> + Send + Sync>;

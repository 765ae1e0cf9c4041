//! What a run of the Learner has to do, whatever it trains.

use super::found::Found;
use super::length::Length;
use super::metrics::MakeRecord;
use super::options::RunOptions;
use super::samples::MakeSample;
use super::statistics::Tally;
use super::trainable::{TallyOf, Trainable};
use super::validations::EarlyStopping;
use crate::config::{LoggingConfig, TrainingConfig};
use crate::data::Cursor;
use crate::error::Result;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::train::{TrainLoader, ValidLoader};
use electra_runs::RunFacts;
use std::sync::Arc;

pub(super) type RecordOf<M> = <TallyOf<M> as Tally>::Record;

/// The work of a run whose directory a [`RunGuard`](super::RunGuard) holds.
pub(crate) struct Job<M: Trainable> {
    pub begin: Begin<M>,
    pub course: Course,
    /// Of each device its share of the training steps, and the validation on the first.
    pub loaders: (Vec<TrainLoader<M>>, ValidLoader<M>),
    pub judging: Judging<M>,
    /// What is known of the run before it begins.
    pub facts: RunFacts,
    pub seed: u64,
    /// Of the training data.
    pub fingerprint: String,
    pub logging: LoggingConfig,
    pub options: RunOptions,
}

/// What training begins with.
pub(crate) struct Begin<M: Trainable> {
    pub model: M,
    pub optimizer: ModuleOptimizer,
    /// At the step where training begins.
    pub schedule: ModuleLrScheduler,
    /// The checkpoint to resume from.
    pub found: Option<Found<TallyOf<M>>>,
}

/// How training goes on from there.
pub(crate) struct Course {
    pub training: TrainingConfig,
    pub length: Length,
    /// The window that the loaders serve.
    pub cursor: Cursor,
    /// Which sequences step `step`, counted from 0, has.
    pub sequences: Arc<dyn Fn(usize) -> Vec<usize> + Send + Sync>,
    /// Of a device, for advice where memory runs out.
    pub batch_size: usize,
    pub max_grad_norm: f64,
    pub early_stopping: Option<EarlyStopping>,
}

/// What is made of the model and its sums.
pub(crate) struct Judging<M: Trainable> {
    pub make_record: MakeRecord<TallyOf<M>>,
    /// What makes a sample at every validation, where there shall be some.
    pub make_sample: Option<MakeSample<M>>,
    /// What else is judged at every validation, before its record is made.
    pub evaluate: Option<Evaluate<M>>,
}

/// What judges a model, without autodiff, at a validation.
pub(crate) type Evaluate<M> = Box<dyn Fn(&M) -> Result<()> + Send + Sync>;

impl<M: Trainable> Judging<M> {
    /// Records alone.
    pub(crate) fn records(make_record: MakeRecord<TallyOf<M>>) -> Self {
        Self { make_record, make_sample: None, evaluate: None }
    }
}

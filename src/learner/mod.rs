//! Burn's Learner, driven by optimizer steps: what it trains, how a run is set up, and what a run leaves behind.

mod bad_step;
mod checkpoint;
mod estimate;
mod failure;
mod fit;
mod found;
mod gradients;
mod guard;
mod interval;
mod job;
mod length;
mod metrics;
mod observation;
mod observer;
mod optimizer;
mod options;
mod pairs;
mod panics;
mod parallel;
mod prepare;
mod pretraining;
mod record;
mod restore;
mod resume;
mod run;
mod samples;
mod saved;
mod silent;
mod statistics;
mod step;
mod strategy;
mod tensorboard;
mod trainable;
mod validations;

pub use electra_runs::{
    CorpusFacts, Health, Record, RunFacts, RunState, RunSummary, Sample, SampleToken, Session, TrainingFigures,
    Validation, Verdict, runs,
};
pub use estimate::{Estimate, Limits, check_fits, share, size as readable_size};
pub(crate) use fit::{Fitted, fit, shared};
pub use found::set_aside;
pub(crate) use found::{Found, newest, used, verified};
pub use gradients::clip_to_norm;
pub(crate) use guard::RunGuard;
pub(crate) use job::{Begin, Course, Job, Judging};
pub use length::Length;
pub use observation::{Observation, read_all};
pub use observer::{Observers, Phase, RecordEvent, RunStart, StepEvent, TrainObserver, ValidationEvent};
pub use optimizer::{WarmupLinear, layerwise, optimizer};
pub use options::{Faults, Panics, RunOptions};
pub(crate) use prepare::corpus_facts;
pub use record::{RunRecord, record_of};
pub use restore::restore;
pub use resume::{has_checkpoint, resumed_config};
pub(crate) use run::VERSION;
pub use run::{Report, pretrain, pretrain_from};
pub use statistics::{Number, Statistics, StepResult, Tally};
pub use step::{Pretrainer, apply, inference_step, train_step, update};
pub use strategy::STOP;
pub use tensorboard::TensorBoard;
pub use trainable::Trainable;
pub(crate) use validations::{EarlyStopping, Validations};

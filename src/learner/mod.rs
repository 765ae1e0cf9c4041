//! Burn's Learner, driven by optimizer steps: what it trains, how a run is set up, and what a run leaves behind.

mod checkpoint;
mod dashboard;
mod directory;
mod fit;
mod gradients;
mod interval;
mod metrics;
mod observation;
mod optimizer;
mod panics;
mod parallel;
mod prepare;
mod pretraining;
mod record;
mod renderer;
mod restore;
mod resume;
mod run;
mod runs;
mod samples;
mod startup;
mod step;
mod strategy;
mod tensorboard;
mod trainee;

pub(crate) use checkpoint::{Found, best_step, name as checkpoint_name, newest};
pub use dashboard::ends_with_dashboard;
pub(crate) use directory::RunDirectory;
pub use fit::Faults;
pub(crate) use fit::{Job, fit, shared, with_status};
pub use gradients::clip_to_norm;
pub use observation::{Observation, Seen, read_all};
pub use optimizer::{WarmupLinear, layerwise, optimizer};
pub use record::{Record, RunRecord, TrainingFigures};
pub use restore::restore;
pub use resume::{has_checkpoint, resumed_config};
pub use run::{Report, RunOptions, pretrain, readable_count};
pub(crate) use runs::Status;
pub use runs::{RunState, RunSummary, runs};
#[cfg(feature = "web")]
pub(crate) use runs::{planned_steps, state};
pub use samples::{Sample, SampleToken};
pub use step::{Pretrainer, apply, inference_step, train_step, update};
pub(crate) use strategy::EarlyStopping;
pub use trainee::{Number, Statistics, Tally, Trainee};

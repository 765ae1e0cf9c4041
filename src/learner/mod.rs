//! Burn's Learner, driven by optimizer steps: what it trains, how a run is set up, and what a run leaves behind.

mod checkpoint;
mod directory;
mod gradients;
mod interval;
mod metrics;
mod observation;
mod optimizer;
mod panics;
mod prepare;
mod record;
mod renderer;
mod restore;
mod resume;
mod run;
mod runs;
mod step;
mod strategy;

pub use gradients::clip_to_norm;
pub use observation::{Observation, Seen, read_all};
pub use optimizer::{WarmupLinear, optimizer};
pub use record::Record;
pub use restore::restore;
pub use resume::{has_checkpoint, resumed_config};
pub use run::{Faults, Report, RunOptions, pretrain, readable_count};
pub use runs::{RunState, RunSummary, runs};
pub use step::{Pretrainer, apply, update};

//! The directory that a run of electra-burn leaves on disk: its layout, who may write to it, and what its files say.
//!
//! One process writes a run ([`RunDirectory`], [`Status`], [`RunFacts`], [`Record`], [`Sample`]). Whoever shows or judges one reads it
//! here too: all of its records ([`Metrics`]), those that come while it runs ([`Follower`]), or the last ([`Tail`]). What every
//! metric is called and means is in one table ([`metric()`]).
//!
//! ```no_run
//! let (metrics, read) = electra_runs::Metrics::read("runs/mine/metrics.jsonl".as_ref());
//! read?;
//! println!("{:?} after {} steps", metrics.last("disc_auc"), metrics.step);
//! # Ok::<(), std::io::Error>(())
//! ```

#![warn(missing_docs)]

mod best;
mod checkpoints;
mod curve;
mod discover;
mod error;
mod facts;
pub mod files;
mod follow;
mod format;
mod health;
mod host;
pub mod layout;
mod line;
mod lock;
mod metric;
mod metrics;
mod outcome;
mod overview;
mod record;
mod sample;
mod settings;
mod status;
mod summary;
mod tail;
pub mod warnings;

pub use best::{Best, best, validations_after};
pub use checkpoints::{checkpoint_name, checkpoint_step, checkpoint_steps};
pub use curve::{Curve, Point};
pub use discover::{Links, Run, discover};
pub use error::{Error, Result};
pub use facts::{CorpusFacts, RunFacts, Session};
pub use follow::{Follower, Position, identity, lines_after};
pub use format::{counted, readable_count, readable_duration};
pub use health::{Health, Validation, Verdict};
pub use host::{Host, memory};
pub use lock::{RunDirectory, is_locked};
pub use metric::{Direction, MetricInfo, format_value, metric, metric_order};
pub use metrics::{Count, Metrics, Note, Numbers, read_numbers};
pub use outcome::Outcome;
pub use record::{Record, TrainingFigures, cut, forget_removed, last_step, number, read_records};
pub use sample::{Sample, SampleToken};
pub use settings::{planned_steps, settings, time_budget};
pub use status::{RunState, Status};
pub use summary::{RunSummary, runs};
pub use tail::Tail;

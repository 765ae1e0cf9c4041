//! From tokens to batches: order, sequences, masking and assembly, all on the host and all pure functions of
//! (seed, step, row), so that the batch of any step can be computed without those before it.

mod batch;
mod cursor;
mod loader;
mod masking;
mod order;
mod prefetch;
mod rng;
mod sequences;
mod steps;
mod sum_order;

pub use batch::{Batch, Counted, Counts, Draws, HostBatch, HostRows, Orders, Samples, StepBatch};
pub use cursor::{Cursor, Pass};
pub use loader::{TrainSteps, ValidLoader};
pub use masking::{Masking, Pick};
pub use order::Permutation;
pub use prefetch::{Prefetch, Stopped};
pub use rng::{Purpose, Rng};
pub use sequences::{Row, Sequences};
pub use steps::{Share, StepLoader, Steps, step_key};
pub use sum_order::{FAN, SumOrder, Sums, wants_order};

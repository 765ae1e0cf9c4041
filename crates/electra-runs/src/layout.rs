//! What lies where in the directory of a run.

/// The configuration. A directory that has it is a run.
pub const CONFIG: &str = "config.toml";
/// One [`Record`](crate::Record), or that of a task, a line.
pub const METRICS: &str = "metrics.jsonl";
/// One [`Sample`](crate::Sample) a line.
pub const SAMPLES: &str = "samples.jsonl";
/// The [`Status`](crate::Status).
pub const STATUS: &str = "status.json";
/// The [`RunFacts`](crate::RunFacts).
pub const FACTS: &str = "run.json";
/// What fine-tuning came to.
pub const RESULTS: &str = "results.json";
/// What is known of the last step that was not finite.
pub const BAD_STEP: &str = "bad-step.json";
/// Holds the number of the process that writes; see [`RunDirectory`](crate::RunDirectory).
pub const LOCK: &str = "lock";
/// The tokenizer, in Hugging Face's layout.
pub const TOKENIZER: &str = "tokenizer";
/// The directory of checkpoints, each in one of its own.
pub const CHECKPOINTS: &str = "checkpoints";
/// The description of a checkpoint, in its directory.
pub const STATE: &str = "state.json";
/// The exported encoder of pretraining, its generator, and the model of fine-tuning, in Hugging Face's layout.
pub const DISCRIMINATOR: &str = "discriminator";
/// See [`DISCRIMINATOR`].
pub const GENERATOR: &str = "generator";
/// See [`DISCRIMINATOR`].
pub const MODEL: &str = "model";
/// Every name of a file of events for TensorBoard begins so.
pub const EVENTS: &str = "events.out.";

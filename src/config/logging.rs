//! What a run writes beside its records.

use serde::{Deserialize, Serialize};

/// What a run writes beside `metrics.jsonl`; a resumed run may change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoggingConfig {
    /// Write what TensorBoard shows, `events.out.tfevents.*`, into the run directory.
    pub tensorboard: bool,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { tensorboard: true }
    }
}

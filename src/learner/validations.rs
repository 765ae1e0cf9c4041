//! The validations of a run, in memory: early stopping and the choice of checkpoints go by them while it runs.

use crate::error::Result;
use electra_runs::{Best, best, read_records, validations_after};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A run ends when `patience` validations in a row were no better than the best before them.
#[derive(Debug, Clone)]
pub(crate) struct EarlyStopping {
    /// Its name in `metrics.jsonl`.
    pub metric: String,
    pub patience: usize,
}

/// The validations so far. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Validations(Arc<Mutex<Vec<Value>>>);

impl Validations {
    /// Those in the records at `path`.
    ///
    /// # Errors
    /// Those of [`read_records`]: a line that cannot be read would change what is chosen.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut records: Vec<Value> = read_records(path)?;
        records.retain(|record| record["split"] == "valid");
        Ok(Self(Arc::new(Mutex::new(records))))
    }

    /// Adds a record of a validation.
    pub(crate) fn add(&self, record: Value) {
        self.locked().push(record);
    }

    /// The best by `metric`, among those whose step `counts`.
    pub(crate) fn best(&self, metric: &str, counts: impl Fn(usize) -> bool) -> Option<Best> {
        best(&self.locked(), metric, counts)
    }

    /// Whether a run that stops early by `stopping` ends here.
    pub(crate) fn are_enough(&self, stopping: &EarlyStopping) -> bool {
        let best = self.best(&stopping.metric, |_| true);
        best.is_some_and(|best| validations_after(&self.locked(), best.step) >= stopping.patience)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

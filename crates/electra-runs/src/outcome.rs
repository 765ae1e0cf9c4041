//! What a run of pretraining has come to.

use crate::facts::RunFacts;
use crate::health::Health;
use crate::record::Record;

/// Steps, records and facts of a run, for who reports on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Steps done.
    pub steps: usize,
    /// All records, as they stand in `metrics.jsonl`.
    pub records: Vec<Record>,
    /// What the run knows of itself: devices, text, time.
    pub facts: RunFacts,
}

impl Outcome {
    /// The validation before the first step.
    pub fn first_validation(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.split == "valid")
    }

    /// The last validation.
    pub fn last_validation(&self) -> Option<&Record> {
        self.records.iter().rfind(|record| record.split == "valid")
    }

    /// Real tokens of the steps up to the last record of training, and its step; absent where that does not know, as in runs of
    /// earlier versions.
    pub fn tokens_seen(&self) -> Option<(usize, usize)> {
        let record = self.records.iter().rfind(|record| record.split == "train")?;
        Some((record.step, record.training.tokens_seen?))
    }

    /// How the discriminator does, by the last validations.
    pub fn health(&self) -> Health {
        self.records.iter().filter_map(Record::validation).collect()
    }
}

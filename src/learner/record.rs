//! How sums of a run become records, and where those go.

use super::failure::Failure;
use super::observer::{Observers, RecordEvent};
use super::validations::Validations;
use crate::error::{Error, Result};
use crate::objective::Tally;
use electra_runs::{Record, TrainingFigures, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line of `metrics.jsonl`, whatever is trained.
pub trait RunRecord: Serialize + DeserializeOwned {
    /// The metrics in one readable line, without step and split.
    fn summary(&self) -> String;

    /// What the health of a run of pretraining is judged by; none in training, and of other runs.
    fn validation(&self) -> Option<Validation> {
        None
    }

    /// Adds what only training has.
    fn set_training(&mut self, figures: TrainingFigures);
}

/// The record of `tally`, without what only training has.
pub fn record_of(step: usize, split: &str, tally: &Tally) -> Record {
    Record {
        step,
        split: split.to_owned(),
        mlm_loss: tally.mlm_loss(),
        mlm_accuracy: tally.mlm_accuracy(),
        disc_loss: tally.disc_loss(),
        disc_entropy: tally.entropy(),
        disc_gain: Some(tally.disc_gain()),
        disc_gain_error: Some(tally.disc_gain_error()),
        disc_gain_floor: Some(tally.disc_gain_floor()),
        disc_accuracy: tally.disc_accuracy(),
        disc_precision: tally.disc_precision(),
        disc_recall: tally.disc_recall(),
        disc_auc: tally.disc_auc(),
        replaced: tally.replaced_share(),
        pairs_discriminator: None,
        pairs_generator: None,
        training: TrainingFigures::default(),
    }
}

impl RunRecord for Record {
    fn summary(&self) -> String {
        Record::summary(self)
    }

    fn validation(&self) -> Option<Validation> {
        Record::validation(self)
    }

    fn set_training(&mut self, figures: TrainingFigures) {
        self.training = figures;
    }
}

/// Takes the records of a run as they are made: to `metrics.jsonl`, to the validations in memory, and to the observers.
pub(super) struct Recorder {
    path: PathBuf,
    file: File,
    validations: Validations,
    observers: Observers,
    failure: Failure,
}

impl Recorder {
    /// One that appends to the file at `path`; a write that fails stops the run.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened.
    pub(super) fn open(path: &Path, validations: Validations, observers: Observers, failure: Failure) -> Result<Self> {
        let file = File::options().append(true).create(true).open(path).map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, validations, observers, failure })
    }

    /// Takes `record`, which `summary` says to people.
    pub(super) fn take<R: RunRecord>(&self, (step, split): (usize, &str), record: &R, summary: &str) {
        // A record is plain numbers and strings.
        let Ok(Value::Object(columns)) = serde_json::to_value(record) else { return };
        let Ok(line) = serde_json::to_string(record) else { return };
        // One write a line, so that a reader or a crash never sees half of one.
        if let Err(error) = (&self.file).write_all(format!("{line}\n").as_bytes()) {
            self.failure.stop("the metrics cannot be written", Error::io(&self.path)(error));
        }
        let event = RecordEvent { step, split, columns: &columns, summary };
        if let Err(error) = self.observers.try_each(|observer| observer.on_record(&event)) {
            self.failure.stop("a record cannot be reported", error);
        }
        if split == "valid" {
            // As a process that resumes the run reads it: parsing may be off in the last place, and equal validations must stay equal.
            self.validations.add(serde_json::from_str(&line).unwrap_or_else(|_| columns.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::train::Interrupter;

    /// A resumed process must choose as this one does, so that both hold the same numbers.
    #[test]
    fn validations_in_memory_are_those_that_are_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let validations = Validations::default();
        let failure = Failure::new(Interrupter::new());
        let recorder = Recorder::open(&path, validations.clone(), Observers::default(), failure).unwrap();
        for step in 1..300 {
            let record = Record { step, split: "valid".into(), mlm_loss: step as f64 / 277.0, ..Record::default() };
            recorder.take((step, "valid"), &record, "");
            let of = |validations: &Validations| validations.best("mlm_loss", |at| at == step).map(|best| best.value);
            assert_eq!(of(&validations), of(&Validations::read(&path).unwrap()), "{step}");
        }
    }
}

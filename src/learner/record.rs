//! How sums of a run become records, and where those are written.

use super::failure::Failure;
use super::tensorboard::Board;
use super::validations::Validations;
use crate::error::{Error, Result};
use crate::objective::Tally;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use electra_runs::layout::METRICS;
use electra_runs::{Record, TrainingFigures, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Writes the records that the summary metric makes, for TensorBoard too.
pub(super) struct RecordLog {
    path: PathBuf,
    file: File,
    metric: MetricId,
    failure: Failure,
    board: Option<Arc<Board>>,
    validations: Validations,
}

impl RecordLog {
    /// A log at the end of the file at `path`, on `board` and in `validations`, of the entries of metric `metric`; a write that
    /// fails stops the run.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened.
    pub fn create(
        path: &Path,
        metric: &str,
        failure: Failure,
        board: Option<Arc<Board>>,
        validations: Validations,
    ) -> Result<Self> {
        let metric = MetricId::new(Arc::new(metric.to_owned()));
        let file = File::options().append(true).create(true).open(path).map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, metric, failure, board, validations })
    }
}

impl MetricLogger for RecordLog {
    fn log(&mut self, update: MetricsUpdate, _epoch: usize, _split: &Split) {
        let is_record =
            |entry: &&MetricEntry| entry.metric_id == self.metric && !entry.serialized_entry.is_not_available();
        for entry in update.entries.iter().filter(is_record) {
            // One write a line, so that a reader or a crash never sees half of one.
            let line = format!("{}\n", entry.serialized_entry.serialized);
            if let Err(error) = self.file.write_all(line.as_bytes()) {
                self.failure.stop("the metrics cannot be written", Error::io(&self.path)(error));
            }
            self.validations.add(&line);
            if let Some(board) = &self.board {
                board.write_record(&line);
            }
        }
    }

    fn read_numeric(
        &mut self,
        name: &str,
        _epoch: usize,
        _split: &Split,
    ) -> std::result::Result<Vec<NumericEntry>, String> {
        Err(format!("the numbers of {name} are in {METRICS}, not kept by epoch"))
    }

    fn log_metric_definition(&mut self, _definition: MetricDefinition) {}

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}

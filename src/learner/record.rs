//! A record of `metrics.jsonl`: one JSON object a line, written whole and flushed.

use super::health::Validation;
use super::samples::SAMPLES;
use super::tensorboard::Board;
use crate::error::{Error, Result};
use crate::files;
use crate::objective::Tally;
use burn::train::Interrupter;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricEntry, MetricId, NumericEntry};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The file of a run's records.
pub(super) const METRICS: &str = "metrics.jsonl";

/// The metrics of an interval of training, or of a validation. The names are an interface: scripts read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done.
    pub step: usize,
    /// `train` or `valid`.
    pub split: String,
    /// Mean loss of the generator at the picked positions, in nats.
    pub mlm_loss: f64,
    /// Share of the picked positions where the generator's likeliest word is the original.
    pub mlm_accuracy: f64,
    /// Mean loss of the discriminator over the real tokens, in nats.
    pub disc_loss: f64,
    /// Loss of a discriminator that knows the replaced share and nothing else, in nats.
    pub disc_entropy: f64,
    /// The entropy less the loss: what the discriminator knows beyond the replaced share, in nats. Absent in records of earlier
    /// versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disc_gain: Option<f64>,
    /// Standard error of the gain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disc_gain_error: Option<f64>,
    /// The part of the gain that is had for knowing that special tokens are never replaced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disc_gain_floor: Option<f64>,
    /// Share of the real tokens judged rightly.
    pub disc_accuracy: f64,
    /// Share of the tokens called replaced that are; 0 where none is called so.
    pub disc_precision: f64,
    /// Share of the replaced tokens that are called so.
    pub disc_recall: f64,
    /// Area under the ROC curve; null where only one kind of token was seen.
    pub disc_auc: Option<f64>,
    /// Share of the real tokens that were replaced by another token.
    pub replaced: f64,
    /// Share of the minimal pairs of `evaluation.pairs` that the discriminator judges rightly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs_discriminator: Option<f64>,
    /// The same of the generator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs_generator: Option<f64>,
    /// What only training has.
    #[serde(flatten)]
    pub training: TrainingFigures,
}

/// The figures of an interval of training that do not depend on what is trained; all absent in a validation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingFigures {
    /// Learning rate of the last step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub learning_rate: Option<f64>,
    /// Mean norm of the gradients before clipping.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub grad_norm: Option<f64>,
    /// Real tokens a second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_second: Option<f64>,
    /// Real tokens of all steps since the beginning of the run, padding not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_seen: Option<usize>,
    /// Steps that updated nothing, since loss or gradients were not finite, and that no other figure counts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped_steps: Option<usize>,
    /// Steps whose loss lies far above what was usual.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loss_spikes: Option<usize>,
}

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

impl Record {
    /// The record of `tally`, without what only training has.
    pub fn new(step: usize, split: &str, tally: &Tally) -> Self {
        Self {
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
}

impl RunRecord for Record {
    fn summary(&self) -> String {
        let auc = self.disc_auc.map_or_else(|| "  -  ".into(), |auc| format!("{auc:.3}"));
        let gain = match (self.disc_gain, self.disc_gain_error) {
            (Some(gain), Some(error)) => format!(", gain {gain:.4} ± {error:.4}"),
            _ => String::new(),
        };
        let pairs = match (self.pairs_discriminator, self.pairs_generator) {
            (Some(discriminator), Some(generator)) => format!(" | pairs disc {discriminator:.3} gen {generator:.3}"),
            _ => String::new(),
        };
        format!(
            "mlm {:.3} acc {:.3} | disc {:.4} (entropy {:.4}{gain}) auc {auc} prec {:.2} rec {:.2}{pairs}",
            self.mlm_loss, self.mlm_accuracy, self.disc_loss, self.disc_entropy, self.disc_precision, self.disc_recall
        )
    }

    fn validation(&self) -> Option<Validation> {
        let gain = self.disc_gain.filter(|_| self.split == "valid" && self.replaced > 0.0)?;
        let error = self.disc_gain_error?;
        let Self { step, mlm_loss, mlm_accuracy, .. } = *self;
        let gain = gain - self.disc_gain_floor.unwrap_or(0.0);
        Some(Validation { step, mlm_loss, mlm_accuracy, gain, error })
    }

    fn set_training(&mut self, figures: TrainingFigures) {
        self.training = figures;
    }
}

/// All records of a run.
pub(super) fn read_records<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>> {
    let text = files::read_text(path, files::LARGE).map_err(Error::io(path))?;
    let record = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::Input {
            path: path.to_owned(),
            line: Some(number + 1),
            message: error.to_string(),
        })
    };
    text.lines().enumerate().map(record).collect()
}

/// Leaves the records up to `step` in the file at `path`, none where that is `None`: what came after the checkpoint will
/// come again. Until it has, the other lines stay in a hidden file beside it ([`forget_removed`]). A line that a crash has cut
/// off in the middle goes too.
pub(super) fn cut(path: &Path, step: Option<usize>) -> Result<()> {
    let text = match files::read_text(path, files::LARGE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(Error::io(path))?,
    };
    let stays = |line: &&str| {
        line.ends_with('\n')
            && serde_json::from_str::<Position>(line).is_ok_and(|record| step.is_some_and(|step| record.step <= step))
    };
    let (kept, removed): (Vec<&str>, Vec<&str>) = text.split_inclusive('\n').partition(stays);
    if removed.is_empty() {
        return Ok(());
    }
    let aside = removed_of(path);
    let mut before = std::fs::read(&aside).unwrap_or_default();
    before.extend(removed.concat().as_bytes());
    files::write_file(&aside, &before)?;
    files::write_file(path, kept.concat().as_bytes())
}

/// Where the lines are kept that [`cut`] has removed from `path`.
fn removed_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.removed"))
}

/// Removes what [`cut`] has kept of the files of `run`, once a checkpoint of `step` is whole and that came no later.
pub(super) fn forget_removed(run: &Path, step: usize) -> std::io::Result<()> {
    for name in [METRICS, SAMPLES] {
        let aside = removed_of(&run.join(name));
        let Ok(text) = std::fs::read_to_string(&aside) else { continue };
        let steps = text.lines().filter_map(|line| serde_json::from_str::<Position>(line).ok());
        if steps.map(|record| record.step).max().unwrap_or(0) <= step {
            std::fs::remove_file(&aside)?;
        }
    }
    Ok(())
}

/// What every record has.
#[derive(Deserialize)]
pub(super) struct Position {
    pub step: usize,
}

/// Stops a run whose records cannot be written, and keeps why, for who started it: Burn's loggers cannot fail.
#[derive(Clone)]
pub(super) struct Failure {
    interrupter: Interrupter,
    error: Arc<Mutex<Option<Error>>>,
}

impl Failure {
    pub fn new(interrupter: Interrupter) -> Self {
        Self { interrupter, error: Arc::default() }
    }

    /// Stops the run for `reason`; of several errors the first is kept.
    pub fn stop(&self, reason: &str, error: Error) {
        self.interrupter.stop(Some(reason));
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub fn take(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Writes the records that the summary metric makes, for TensorBoard too.
pub(super) struct RecordLog {
    path: PathBuf,
    file: File,
    metric: MetricId,
    failure: Failure,
    board: Option<Arc<Board>>,
}

impl RecordLog {
    /// A log at the end of the file at `path`, and on `board`, of the entries of metric `metric`; a write that fails stops the
    /// run.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened.
    pub fn create(path: &Path, metric: &str, failure: Failure, board: Option<Arc<Board>>) -> Result<Self> {
        let metric = MetricId::new(Arc::new(metric.to_owned()));
        let file = File::options().append(true).create(true).open(path).map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, metric, failure, board })
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
        Err(format!("the numbers of {name} are in metrics.jsonl, not kept by epoch"))
    }

    fn log_metric_definition(&mut self, _definition: MetricDefinition) {}

    fn log_epoch_summary(&mut self, _summary: EpochSummary) {}
}

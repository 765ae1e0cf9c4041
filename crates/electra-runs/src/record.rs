//! A record of `metrics.jsonl`: one JSON object a line, written whole and flushed.

use crate::error::{Error, Result};
use crate::files;
use crate::health::Validation;
use crate::layout::{METRICS, SAMPLES};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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

impl Record {
    /// The metrics in one readable line, without step and split.
    pub fn summary(&self) -> String {
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

    /// What the health of the run is judged by; none in training.
    pub fn validation(&self) -> Option<Validation> {
        let gain = self.disc_gain.filter(|_| self.split == "valid" && self.replaced > 0.0)?;
        let error = self.disc_gain_error?;
        let Self { step, mlm_loss, mlm_accuracy, .. } = *self;
        let gain = gain - self.disc_gain_floor.unwrap_or(0.0);
        Some(Validation { step, mlm_loss, mlm_accuracy, gain, error })
    }
}

/// All records in the file at `path`.
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Input`] for the first line that is no record.
pub fn read_records<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>> {
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
///
/// # Errors
/// [`Error::Io`].
pub fn cut(path: &Path, step: Option<usize>) -> Result<()> {
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
///
/// # Errors
/// The operating system's.
pub fn forget_removed(run: &Path, step: usize) -> std::io::Result<()> {
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

/// The last step in the records at `path`, 0 without any.
pub fn last_step(path: &Path) -> usize {
    let text = files::read(path, files::LARGE).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n').rev();
    lines.filter_map(|line| serde_json::from_slice::<Position>(line).ok()).map(|record| record.step).next().unwrap_or(0)
}

/// What every record has.
#[derive(Deserialize)]
struct Position {
    step: usize,
}

//! A record of `metrics.jsonl`: one JSON object a line, written whole and flushed.

use crate::error::{Error, Result};
use crate::files;
use crate::health::Validation;
use crate::layout::{METRICS, SAMPLES};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};

/// The metrics of an interval of training, or of a validation. The names are an interface: scripts read them. A field
/// for each column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done.
    pub step: usize,
    /// `train` or `valid`.
    pub split: String,
    /// Mean loss of the generator at the picked positions, in nats.
    #[serde(deserialize_with = "number")]
    pub mlm_loss: f64,
    /// Share of the picked positions where the generator's likeliest word is the original.
    #[serde(deserialize_with = "number")]
    pub mlm_accuracy: f64,
    /// Mean loss of the discriminator over the real tokens, in nats.
    #[serde(deserialize_with = "number")]
    pub disc_loss: f64,
    /// Loss of a discriminator that knows the replaced share and nothing else, in nats.
    #[serde(deserialize_with = "number")]
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
    #[serde(deserialize_with = "number")]
    pub disc_accuracy: f64,
    /// Share of the tokens called replaced that are; 0 where none is called so.
    #[serde(deserialize_with = "number")]
    pub disc_precision: f64,
    /// Share of the replaced tokens that are called so.
    #[serde(deserialize_with = "number")]
    pub disc_recall: f64,
    /// Area under the ROC curve; null where only one kind of token was seen.
    pub disc_auc: Option<f64>,
    /// Share of the real tokens that were replaced by another token.
    #[serde(deserialize_with = "number")]
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
        Validation::of(&serde_json::to_value(self).ok()?)
    }
}

/// A number, NaN where JSON has null: what is no number is written so.
///
/// # Errors
/// The deserializer's, for anything else.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
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
/// come again. Until it has, the other lines stay in a hidden file beside it ([`forget_removed`]). Lines that are no record go
/// there too, as the last one that a crash has cut off.
///
/// # Errors
/// [`Error::Io`].
pub fn cut(path: &Path, step: Option<usize>) -> Result<()> {
    let Some(bytes) = read_if_there(path)? else { return Ok(()) };
    let stays = |line: &&[u8]| {
        line.ends_with(b"\n")
            && serde_json::from_slice::<Position>(line).is_ok_and(|record| step.is_some_and(|step| record.step <= step))
    };
    let (kept, removed): (Vec<&[u8]>, Vec<&[u8]>) = bytes.split_inclusive(|&byte| byte == b'\n').partition(stays);
    if removed.is_empty() {
        return Ok(());
    }
    let (aside, removed) = (removed_of(path), removed.concat());
    let before = read_if_there(&aside)?.unwrap_or_default();
    // Of a process that was killed between the two writes.
    if !before.ends_with(&removed) {
        files::write_file(&aside, &[before, removed].concat())?;
    }
    files::write_file(path, &kept.concat())
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match files::read(path, files::LARGE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some).map_err(Error::io(path)),
    }
}

/// Where the lines are kept that [`cut`] has removed from `path`.
fn removed_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.removed"))
}

/// Removes the lines that [`cut`] has set aside of the files of `run`, once the checkpoint of `step`, at or after the last of them, is
/// whole.
///
/// # Errors
/// The operating system's.
pub fn forget_removed(run: &Path, step: usize) -> std::io::Result<()> {
    for name in [METRICS, SAMPLES] {
        let aside = removed_of(&run.join(name));
        let Ok(bytes) = files::read(&aside, files::LARGE) else { continue };
        let lines = bytes.split(|&byte| byte == b'\n');
        let steps = lines.filter_map(|line| serde_json::from_slice::<Position>(line).ok());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_read_again() {
        let record = Record { step: 3, split: "valid".into(), mlm_loss: f64::NAN, replaced: 0.15, ..Record::default() };
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.contains("\"mlm_loss\":null"), "{text}");
        let again: Record = serde_json::from_str(&text).unwrap();
        assert!(again.mlm_loss.is_nan() && again.replaced == 0.15);
        assert!(again.validation().unwrap().mlm_loss.is_nan(), "and it is a validation that diverges");
    }

    #[test]
    fn what_is_cut_stays_beside_until_it_comes_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(METRICS);
        let line = |step: usize| format!("{{\"step\":{step}}}\n");
        std::fs::write(&path, [line(1).as_bytes(), b"\xff\n", line(2).as_bytes(), b"{\"step\":3"].concat()).unwrap();
        cut(&path, Some(1)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line(1));
        let aside = std::fs::read(removed_of(&path)).unwrap();
        assert_eq!(aside, [b"\xff\n", line(2).as_bytes(), b"{\"step\":3"].concat());
        // Killed between the two writes: the same lines again.
        std::fs::write(&path, [line(1).as_bytes(), &aside].concat()).unwrap();
        cut(&path, Some(1)).unwrap();
        assert_eq!(std::fs::read(removed_of(&path)).unwrap(), aside);
        forget_removed(directory.path(), 1).unwrap();
        assert!(removed_of(&path).exists());
        forget_removed(directory.path(), 2).unwrap();
        assert!(!removed_of(&path).exists());
    }
}

//! What the steps of a task leave for the metrics, and the record that it becomes.

use super::batch::TaskBatch;
use crate::data::Counts;
use crate::learner::{Number, RunRecord, Statistics, Tally, TrainingFigures};
use burn::tensor::{Device, Tensor};
use electra_runs::number;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The numbers of batches, on the device: of each the sum of its loss, and in a validation its logits.
#[derive(Debug)]
pub struct TaskStatistics {
    parts: Vec<Tensor<1>>,
    batches: Vec<LogitsLayout>,
}

/// How the numbers of a batch are to be read.
#[derive(Debug)]
struct LogitsLayout {
    counts: Counts,
    /// Number of each feature, and of its logits; nothing in training.
    rows: Vec<(usize, usize)>,
}

impl TaskStatistics {
    /// `loss` `[1]`, the sum over what `batch` counts; `logits` `[lines, width]`.
    pub(super) fn new(loss: Tensor<1>, logits: Option<Tensor<2>>, batch: &TaskBatch) -> Self {
        let (mut parts, mut rows) = (vec![loss], Vec::new());
        if let Some(logits) = logits {
            let [lines, width] = logits.dims();
            rows = batch.rows.iter().map(|&(feature, lines)| (feature, lines * width)).collect();
            parts.push(logits.reshape([lines * width]));
        }
        Self { parts, batches: vec![LogitsLayout { counts: batch.counts, rows }] }
    }
}

impl Statistics for TaskStatistics {
    type Tally = TaskTally;

    fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.batches.extend(other.batches);
    }

    fn take(&mut self) -> Vec<Tensor<1>> {
        std::mem::take(&mut self.parts)
    }

    fn to_device(self, device: &Device) -> Self {
        Self { parts: self.parts.into_iter().map(|part| part.to_device(device)).collect(), ..self }
    }

    fn count(&self) -> usize {
        self.batches.iter().map(|part| 1 + part.rows.iter().map(|row| row.1).sum::<usize>()).sum()
    }

    fn tally(&self, values: &[f32]) -> TaskTally {
        let mut tally = TaskTally::default();
        let mut values = values.iter().copied();
        for part in &self.batches {
            tally.loss_sum += f64::from(values.next().unwrap_or(f32::NAN));
            tally.count += part.counts.picked;
            tally.tokens += part.counts.tokens;
            tally.logits.extend(part.rows.iter().map(|&(feature, n)| (feature, values.by_ref().take(n).collect())));
        }
        tally
    }
}

/// Sums over any number of batches, and the logits of a validation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskTally {
    /// Sum of the loss, in nats or squared units.
    pub loss_sum: f64,
    /// What it is a mean over.
    pub count: usize,
    /// Real tokens.
    pub tokens: usize,
    /// Number of a feature and its logits.
    pub logits: Vec<(usize, Vec<f32>)>,
}

impl TaskTally {
    /// The logits in the order of the features; empty for those that were not there.
    pub fn by_feature(&self, features: usize) -> Vec<&[f32]> {
        let mut sorted = vec![[].as_slice(); features];
        for (feature, logits) in &self.logits {
            if let Some(place) = sorted.get_mut(*feature) {
                *place = logits;
            }
        }
        sorted
    }
}

static NUMBERS: [Number<TaskTally>; 1] =
    [Number { name: "Loss", value: |seen, _| (seen.tally.loss(), seen.tally.count) }];

impl Tally for TaskTally {
    type Record = TaskRecord;

    const LOSS: &'static str = "loss";

    fn numbers() -> &'static [Number<Self>] {
        &NUMBERS
    }

    fn merge(&mut self, other: &Self) {
        self.loss_sum += other.loss_sum;
        self.count += other.count;
        self.tokens += other.tokens;
        self.logits.extend_from_slice(&other.logits);
    }

    fn loss(&self) -> f64 {
        self.loss_sum / self.count as f64
    }

    fn tokens(&self) -> usize {
        self.tokens
    }

    // Logits are there in a validation only, which is never saved half done.
    fn to_parts(&self) -> (Vec<f64>, Vec<(&'static str, &[f32])>) {
        (vec![self.loss_sum, self.count as f64, self.tokens as f64], Vec::new())
    }

    fn from_parts(sums: &[f64], _list: impl Fn(&str) -> Option<Vec<f32>>) -> Option<Self> {
        let &[loss_sum, count, tokens] = sums else { return None };
        Some(Self { loss_sum, count: count as usize, tokens: tokens as usize, logits: Vec::new() })
    }
}

/// The metrics of an interval of fine-tuning, or of a validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Steps done.
    pub step: usize,
    /// `train` or `valid`.
    pub split: String,
    /// Mean loss.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// What only training has.
    #[serde(flatten)]
    pub training: TrainingFigures,
    /// The task's metrics by name; of a validation.
    #[serde(flatten, deserialize_with = "numbers")]
    pub metrics: BTreeMap<String, f64>,
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    let numbers = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}

impl RunRecord for TaskRecord {
    fn summary(&self) -> String {
        let metrics: String = self.metrics.iter().map(|(name, value)| format!(" | {name} {value:.4}")).collect();
        format!("loss {:.4}{metrics}", self.loss)
    }

    fn set_training(&mut self, figures: TrainingFigures) {
        self.training = figures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_what_is_no_number_is_read_again() {
        let metrics = BTreeMap::from([("pearson".to_owned(), f64::NAN), ("spearman".to_owned(), 0.5)]);
        let training = TrainingFigures { tokens_seen: Some(7), ..Default::default() };
        let record = TaskRecord { step: 3, split: "valid".into(), loss: f64::NAN, training, metrics };
        let again: TaskRecord = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert!(again.loss.is_nan() && again.metrics["pearson"].is_nan());
        assert_eq!((again.metrics["spearman"], again.metrics.len(), again.training.tokens_seen), (0.5, 2, Some(7)));
    }
}

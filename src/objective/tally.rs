//! The statistics of a step: one vector on the device, read once, and what the metrics are computed from on the host.

use crate::data::{Batch, Counts};
use burn::tensor::{Device, ExecutionError, Tensor};
use std::sync::Arc;

/// The statistics of one or more batches, on the device.
#[derive(Debug)]
pub struct Statistics {
    /// For each batch: sum of the MLM loss, correct MLM predictions, sum of the discriminator's loss, then scores and
    /// labels of all positions.
    parts: Vec<Tensor<1>>,
    batches: Vec<StatisticsLayout>,
}

/// How the vector of a batch is to be read.
#[derive(Debug)]
struct StatisticsLayout {
    counts: Counts,
    positions: usize,
    /// Which positions the discriminator is judged on; absent: all.
    judged: Option<Arc<[bool]>>,
    /// Special tokens among them: `[CLS]` and the last `[SEP]` of each row.
    special: usize,
}

/// Sums before the scores in the vector of a batch.
const SUMS: usize = 3;

impl Statistics {
    /// `parts`: sum of the MLM loss `[1]`, correct MLM predictions `[1]`, sum of the discriminator's loss `[1]`, its
    /// scores `[batch * seq]` and labels `[batch * seq]`, all without autodiff. The discriminator's loss is that of the
    /// positions in `judged`, all without it, and so are the figures about its scores.
    pub(super) fn new(parts: [Tensor<1>; 5], batch: &Batch, judged: Option<Arc<[bool]>>) -> Self {
        let [rows, seq] = batch.input_ids.dims();
        // All rows begin with one, so that the first stands for all.
        let special = if judged.as_ref().is_none_or(|judged| judged[0]) { 2 * rows } else { 0 };
        let part = StatisticsLayout { counts: batch.counts, positions: rows * seq, judged, special };
        Self { parts: parts.into(), batches: vec![part] }
    }

    /// Adds those of another batch.
    pub fn merge(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.batches.extend(other.batches);
    }

    /// Moves the numbers to `device`.
    pub fn to_device(self, device: &Device) -> Self {
        Self { parts: self.parts.into_iter().map(|part| part.to_device(device)).collect(), ..self }
    }

    /// The numbers of the device, to be read by the caller and handed to [`tally`](Self::tally).
    pub fn take(&mut self) -> Vec<Tensor<1>> {
        std::mem::take(&mut self.parts)
    }

    /// How many numbers they are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(StatisticsLayout::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// What [`take`](Self::take) gave, read.
    pub fn tally(&self, mut values: &[f32]) -> Tally {
        let mut tally = Tally::default();
        for part in &self.batches {
            let (batch, after) = values.split_at(part.len());
            tally.add_batch(batch, part);
            values = after;
        }
        tally
    }

    /// Reads everything in one transfer.
    ///
    /// # Errors
    /// The device's error.
    pub fn read(self) -> Result<Tally, ExecutionError> {
        self.read_scores().map(|(_, tally)| tally)
    }

    /// Reads everything in one transfer; with it the discriminator's logits at all positions, padding too.
    ///
    /// # Errors
    /// The device's error.
    pub fn read_scores(mut self) -> Result<(Vec<f32>, Tally), ExecutionError> {
        let values: Vec<f32> = Tensor::cat(self.take(), 0).try_into_data()?.iter().collect();
        let (mut scores, mut rest) = (Vec::new(), values.as_slice());
        for part in &self.batches {
            let (batch, after) = rest.split_at(part.len());
            scores.extend_from_slice(&batch[SUMS..SUMS + part.positions]);
            rest = after;
        }
        Ok((scores, self.tally(&values)))
    }
}

impl StatisticsLayout {
    fn len(&self) -> usize {
        SUMS + 2 * self.positions
    }
}

/// Sums and scores on the host, over any number of batches: every metric follows from them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Sum of the MLM loss over the picked positions, in nats.
    pub mlm_loss_sum: f64,
    /// Picked positions where the generator's likeliest word is the original.
    pub mlm_correct: f64,
    /// Picked positions.
    pub picked: usize,
    /// Real tokens, padding not.
    pub tokens: usize,
    /// Special tokens among those that the discriminator is judged on, which are never replaced.
    pub special: usize,
    /// Sum of the discriminator's loss over the tokens that it is judged on, in nats.
    pub disc_loss_sum: f64,
    /// The discriminator's logits at original tokens.
    pub original: Vec<f32>,
    /// The discriminator's logits at replaced tokens.
    pub replaced: Vec<f32>,
}

impl Tally {
    fn add_batch(&mut self, values: &[f32], part: &StatisticsLayout) {
        let (sums, rest) = values.split_at(SUMS);
        self.mlm_loss_sum += f64::from(sums[0]);
        self.mlm_correct += f64::from(sums[1]);
        self.disc_loss_sum += f64::from(sums[2]);
        self.picked += part.counts.picked;
        self.tokens += part.counts.tokens;
        self.special += part.special;
        let (scores, labels) = rest.split_at(rest.len() / 2);
        for (at, (&score, &label)) in scores.iter().zip(labels).enumerate() {
            if part.judged.as_ref().is_none_or(|judged| judged[at]) {
                if label > 0.5 { self.replaced.push(score) } else { self.original.push(score) }
            }
        }
    }

    /// Adds the sums and scores of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.mlm_loss_sum += other.mlm_loss_sum;
        self.mlm_correct += other.mlm_correct;
        self.picked += other.picked;
        self.tokens += other.tokens;
        self.special += other.special;
        self.disc_loss_sum += other.disc_loss_sum;
        self.original.extend_from_slice(&other.original);
        self.replaced.extend_from_slice(&other.replaced);
    }

    /// Tokens that the discriminator is judged on: the real ones, or with the objective `electra-15` the picked ones.
    pub fn judged(&self) -> usize {
        self.original.len() + self.replaced.len()
    }

    /// Mean MLM loss at the picked positions, in nats.
    pub fn mlm_loss(&self) -> f64 {
        self.mlm_loss_sum / self.picked as f64
    }

    /// Share of the picked positions where the generator's likeliest word is the original.
    pub fn mlm_accuracy(&self) -> f64 {
        self.mlm_correct / self.picked as f64
    }

    /// Mean loss of the discriminator over the real tokens, in nats.
    pub fn disc_loss(&self) -> f64 {
        self.disc_loss_sum / self.judged() as f64
    }

    /// Share of the real tokens that were replaced by another token.
    pub fn replaced_share(&self) -> f64 {
        self.replaced.len() as f64 / self.judged() as f64
    }

    /// Loss of a discriminator that knows the replaced share and nothing else, in nats.
    pub fn entropy(&self) -> f64 {
        entropy(self.replaced_share())
    }

    /// Real tokens that the discriminator calls replaced: those that are, and those that are not.
    pub fn called_replaced(&self) -> (usize, usize) {
        let positive = |scores: &[f32]| scores.iter().filter(|&&score| score > 0.0).count();
        (positive(&self.replaced), positive(&self.original))
    }

    /// By how much the discriminator's loss lies below the entropy of the replaced share, in nats a token.
    pub fn disc_gain(&self) -> f64 {
        self.entropy() - self.disc_loss()
    }

    /// Standard error of the gain. That of a token is what its label costs a judge who knows the share alone, less what it costs
    /// the discriminator; the mean over tokens is the gain, and the error follows from the deviation.
    pub fn disc_gain_error(&self) -> f64 {
        let share = self.replaced_share();
        let of = |scores: &[f32], sign: f64, share: f64| -> (f64, f64) {
            let gains = scores.iter().map(|&score| -share.ln() - softplus(sign * f64::from(score)));
            gains.fold((0.0, 0.0), |(sum, squares), gain| (sum + gain, squares + gain * gain))
        };
        let (original, replaced) = (of(&self.original, 1.0, 1.0 - share), of(&self.replaced, -1.0, share));
        let count = self.judged() as f64;
        let mean = (original.0 + replaced.0) / count;
        let variance = ((original.1 + replaced.1) / count - mean * mean).max(0.0);
        (variance / count).sqrt()
    }

    /// What it gains to know that special tokens are never replaced, and nothing else, in nats a token.
    pub fn disc_gain_floor(&self) -> f64 {
        let others = 1.0 - self.special as f64 / self.judged() as f64;
        self.entropy() - others * entropy(self.replaced_share() / others)
    }

    /// Share of the real tokens that the discriminator judges rightly, at probability 0.5.
    pub fn disc_accuracy(&self) -> f64 {
        let (hits, false_alarms) = self.called_replaced();
        (hits + self.original.len() - false_alarms) as f64 / self.judged() as f64
    }

    /// Share of the tokens called replaced that are; 0 where none is called so.
    pub fn disc_precision(&self) -> f64 {
        let (hits, false_alarms) = self.called_replaced();
        hits as f64 / (hits + false_alarms).max(1) as f64
    }

    /// Share of the replaced tokens that are called so; 0 where none was replaced.
    pub fn disc_recall(&self) -> f64 {
        self.called_replaced().0 as f64 / self.replaced.len().max(1) as f64
    }

    /// Area under the ROC curve over the real tokens: the probability that a replaced token scores above an original
    /// one, ties counted half. Absent where one of the two kinds is.
    pub fn disc_auc(&self) -> Option<f64> {
        if self.original.is_empty() || self.replaced.is_empty() {
            return None;
        }
        let sorted = |scores: &[f32]| {
            let mut scores = scores.to_vec();
            scores.sort_unstable_by(f32::total_cmp);
            scores
        };
        let (original, replaced) = (sorted(&self.original), sorted(&self.replaced));
        let (mut below, mut upto, mut wins) = (0, 0, 0.0);
        for score in &replaced {
            while below < original.len() && original[below] < *score {
                below += 1;
            }
            while upto < original.len() && original[upto] <= *score {
                upto += 1;
            }
            wins += (below + upto) as f64 / 2.0;
        }
        Some(wins / (original.len() as f64 * replaced.len() as f64))
    }
}

/// `ln(1 + e^x)`, without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Entropy of a coin that shows one side with probability `share`, in nats.
pub fn entropy(share: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(share) + term(1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(original: Vec<f32>, replaced: Vec<f32>) -> Tally {
        Tally { original, replaced, ..Tally::default() }
    }

    proptest! {
        /// Every metric against its definition, pair by pair and token by token.
        #[test]
        fn metrics_agree_with_a_plain_computation(
            // Few different values, so that ties occur.
            original in prop::collection::vec(-4i8..4, 1..40),
            replaced in prop::collection::vec(-4i8..4, 1..40),
            mlm in prop::collection::vec((0.0f64..9.0, any::<bool>()), 1..30),
        ) {
            let scores = |values: &[i8]| values.iter().map(|&v| f32::from(v) / 2.0).collect::<Vec<_>>();
            let (original, replaced) = (scores(&original), scores(&replaced));
            let bce = |score: f32, label: f64| {
                let p = 1.0 / (1.0 + (-f64::from(score)).exp());
                -(label * p.ln() + (1.0 - label) * (1.0 - p).ln())
            };
            let losses = original.iter().map(|&s| bce(s, 0.0)).chain(replaced.iter().map(|&s| bce(s, 1.0)));
            let tally = Tally {
                mlm_loss_sum: mlm.iter().map(|m| m.0).sum(),
                mlm_correct: mlm.iter().filter(|m| m.1).count() as f64,
                picked: mlm.len(),
                tokens: original.len() + replaced.len(),
                special: 0,
                disc_loss_sum: losses.clone().sum(),
                original: original.clone(),
                replaced: replaced.clone(),
            };

            let n = (original.len() + replaced.len()) as f64;
            let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let tp = replaced.iter().filter(|s| **s > 0.0).count() as f64;
            let fp = original.iter().filter(|s| **s > 0.0).count() as f64;
            let tn = original.len() as f64 - fp;
            let mut wins = 0.0;
            for r in &replaced {
                for o in &original {
                    wins += if r > o { 1.0 } else if r == o { 0.5 } else { 0.0 };
                }
            }
            prop_assert!(close(tally.mlm_loss(), mlm.iter().map(|m| m.0).sum::<f64>() / mlm.len() as f64));
            prop_assert!(close(tally.mlm_accuracy(), mlm.iter().filter(|m| m.1).count() as f64 / mlm.len() as f64));
            prop_assert!(close(tally.disc_loss(), losses.sum::<f64>() / n));
            prop_assert!(close(tally.disc_accuracy(), (tp + tn) / n));
            let precision = if tp + fp > 0.0 { tp / (tp + fp) } else { 0.0 };
            prop_assert!(close(tally.disc_precision(), precision));
            prop_assert!(close(tally.disc_recall(), tp / replaced.len() as f64));
            prop_assert!(close(tally.disc_auc().unwrap(), wins / (original.len() * replaced.len()) as f64));
            prop_assert!(close(tally.replaced_share(), replaced.len() as f64 / n));
            let share = replaced.len() as f64 / n;
            let gains = original.iter().map(|&s| -(1.0 - share).ln() - bce(s, 0.0));
            let gains: Vec<f64> = gains.chain(replaced.iter().map(|&s| -share.ln() - bce(s, 1.0))).collect();
            let mean = gains.iter().sum::<f64>() / n;
            let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / n;
            let (gain, error) = (tally.disc_gain(), tally.disc_gain_error());
            prop_assert!(close(gain, mean) && close(gain, tally.entropy() - tally.disc_loss()));
            prop_assert!(close(error, (variance / n).sqrt()));
            prop_assert!(close(tally.disc_gain_floor(), 0.0));
        }

        #[test]
        fn merging_is_the_same_as_pooling(a in prop::collection::vec(-3.0f32..3.0, 1..20), b in prop::collection::vec(-3.0f32..3.0, 1..20)) {
            let mut merged = tally(a.clone(), b.clone());
            merged.merge(&tally(b.clone(), a.clone()));
            let pooled = tally([a.clone(), b.clone()].concat(), [b, a].concat());
            prop_assert_eq!(merged.disc_auc(), pooled.disc_auc());
            prop_assert_eq!(merged.disc_accuracy(), pooled.disc_accuracy());
        }
    }

    #[test]
    fn auc_needs_both_kinds() {
        assert_eq!(tally(vec![1.0], vec![]).disc_auc(), None);
        assert_eq!(tally(vec![], vec![1.0]).disc_auc(), None);
        assert_eq!(tally(vec![-1.0, 0.0], vec![1.0, 2.0]).disc_auc(), Some(1.0));
    }

    #[test]
    fn entropy_is_that_of_a_coin() {
        assert_eq!(entropy(0.0), 0.0);
        assert!((entropy(0.5) - std::f64::consts::LN_2).abs() < 1e-15);
        // The replaced share and the discriminator loss of a collapsed run measured in PyTorch.
        assert!((entropy(0.125_581_8) - 0.378).abs() < 1e-3);
    }

    /// A discriminator that knows the special tokens and the share among the others gains exactly the floor.
    #[test]
    fn the_floor_is_the_gain_of_knowing_special_tokens() {
        let (special, replaced, original) = (20, 30, 150);
        let share = f64::from(replaced) / f64::from(replaced + original);
        let logit = (share / (1.0 - share)).ln() as f32;
        let mut scores = vec![logit; original as usize];
        scores.extend(vec![-60.0; special as usize]);
        let mut knows = tally(scores, vec![logit; replaced as usize]);
        knows.special = special as usize;
        knows.disc_loss_sum = f64::from(replaced + original) * entropy(share);
        let (gain, error) = (knows.disc_gain(), knows.disc_gain_error());
        assert!((gain - knows.disc_gain_floor()).abs() < 1e-6 && gain > 0.01, "{gain}");
        assert!(error > 0.0 && error < gain, "{error}");
    }
}

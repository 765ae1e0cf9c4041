//! The end of the generator: logits over the vocabulary, their cross-entropy, and a sample from each row.
//!
//! Logits are by far the largest tensor of a step, so they are gone before the next ones come: the portable form computes
//! chunks of rows, and with each its loss, its samples and its gradient, of which there are no more numbers than weights.
//!
//! Fused: after the product, one pass over the logits for all three, which leaves the probabilities in their place;
//! back, they become the gradient in place.

use super::context::StepContext;
use super::precision::product;
use super::sample::sample;
use crate::data::Samples;
use crate::device::largest_buffer;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor};
use std::ops::Range;

/// What the generator says at the picked positions.
#[derive(Debug)]
pub struct MaskedLm {
    /// Sum of the cross-entropies, in nats, `[1]`.
    pub loss: Tensor<1>,
    /// An id a position, `[picked]`.
    pub samples: Tensor<1, Int>,
    /// Positions where the likeliest word is the target, `[1]`, without gradients.
    pub correct: Tensor<1>,
}

/// `hidden` `[picked, embedding_size]`, `word_table` `[vocab_size, embedding_size]`, `bias` `[vocab_size]`, `targets`
/// `[picked]`. Samples are drawn from `softmax(logits / temperature)`; no gradient flows through them. No tensor of logits is
/// larger than `most` bytes, nor than a buffer of the device, but for one row.
pub fn masked_lm(
    hidden: Tensor<2>,
    word_table: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1, Int>,
    samples: &Samples,
    (temperature, most): (f64, usize),
    context: &StepContext,
) -> MaskedLm {
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(words) =
            fused::masked_lm([&hidden, &word_table], &bias, &targets, samples, temperature, context.format())
    {
        return words;
    }
    let [picked, _] = hidden.dims();
    let device = hidden.device();
    let head = Head { words: word_table.clone().inner(), bias: bias.clone().inner(), temperature, context };
    let plain = hidden.clone().inner();
    let recorded = device.is_autodiff();
    let chunks = chunks(picked, bias.dims()[0], most, &device).map(|rows| {
        let of = |x: Tensor<2>| x.narrow(0, rows.start, rows.len());
        let targets = targets.clone().narrow(0, rows.start, rows.len());
        let samples = match samples {
            Samples::Ids(ids) => Samples::Ids(ids.clone().narrow(0, rows.start, rows.len())),
            Samples::Quantiles(at) => Samples::Quantiles(at.clone().narrow(0, rows.start, rows.len())),
        };
        head.chunk(of(plain.clone()), targets, samples, recorded)
    });
    let mut chunks = chunks.collect::<Vec<Chunk>>().into_iter();
    let Some(first) = chunks.next() else {
        let nothing = || Tensor::zeros([1], &device.clone().inner());
        return MaskedLm { loss: nothing(), samples: targets, correct: nothing() };
    };
    let Chunk { mut loss, mut correct, samples, gradients } = first;
    let mut samples = vec![samples];
    let mut gradients = gradients.map(|[hidden, words, bias]| (vec![hidden], words, bias));
    for chunk in chunks {
        loss = loss + chunk.loss;
        correct = correct + chunk.correct;
        samples.push(chunk.samples);
        if let (Some((all, words, bias)), Some([more, more_words, more_bias])) = (&mut gradients, chunk.gradients) {
            all.push(more);
            *words = words.clone() + more_words;
            *bias = bias.clone() + more_bias;
        }
    }
    let loss = match gradients {
        Some((dhidden, dwords, dbias)) => {
            let dhidden = Tensor::cat(dhidden, 0);
            // Linear in the operands, with these as its derivatives; its value is taken away again.
            let line = (hidden * dhidden).sum() + (word_table * dwords).sum() + (bias.unsqueeze::<2>() * dbias).sum();
            line.clone() - line.detach() + loss
        }
        None => loss,
    };
    MaskedLm { loss, samples: Tensor::cat(samples, 0), correct }
}

/// Rows of logits that are computed together, in as equal parts as there can be.
fn chunks(picked: usize, vocabulary: usize, most: usize, device: &Device) -> impl Iterator<Item = Range<usize>> {
    let most = largest_buffer(device).map_or(most, |largest| most.min(largest as usize));
    let rows = (most / (4 * vocabulary)).max(1);
    let count = picked.div_ceil(rows);
    (0..count).map(move |chunk| picked * chunk / count..picked * (chunk + 1) / count)
}

/// The weights, without autodiff.
struct Head<'a> {
    words: Tensor<2>,
    bias: Tensor<1>,
    temperature: f64,
    context: &'a StepContext,
}

/// What comes of some of the rows.
struct Chunk {
    loss: Tensor<1>,
    samples: Tensor<1, Int>,
    correct: Tensor<1>,
    /// Of hidden states, word table and bias, the last as `[1, vocab_size]`.
    gradients: Option<[Tensor<2>; 3]>,
}

impl Head<'_> {
    fn chunk(&self, hidden: Tensor<2>, targets: Tensor<1, Int>, samples: Samples, recorded: bool) -> Chunk {
        let Self { words, bias, temperature, context } = self;
        let [rows, _] = hidden.dims();
        let [vocabulary] = bias.dims();
        let target = targets.clone().unsqueeze_dim::<2>(1);
        let logits = product(hidden.clone(), words.clone().transpose(), context) + bias.clone().unsqueeze::<2>();
        let (largest, likeliest) = logits.clone().max_dim_with_indices(1);
        let correct = likeliest.reshape([rows]).equal(targets).float().sum();
        let of_target = logits.clone().gather(1, target.clone());
        let weights = (logits.clone() - largest.clone()).exp();
        let total = weights.clone().sum_dim(1);
        let loss = (total.clone().log() + largest - of_target).sum();
        let samples = match samples {
            Samples::Ids(ids) => ids,
            Samples::Quantiles(at) if *temperature == 1.0 => sample(weights.clone(), at),
            Samples::Quantiles(at) => sample(softmax(logits / *temperature, 1), at),
        };
        let gradients = recorded.then(|| {
            let numbers = Tensor::arange(0..vocabulary as i64, &weights.device()).unsqueeze::<2>();
            let is_target = numbers.expand([rows, vocabulary]).equal(target.expand([rows, vocabulary])).float();
            let change = weights / total - is_target;
            let dhidden = product(change.clone(), words.clone(), context);
            let dwords = product(change.clone().transpose(), hidden, context);
            [dhidden, dwords, change.sum_dim(0)]
        });
        Chunk { loss, samples, correct, gradients }
    }
}

#[cfg(feature = "flex")]
mod fused {
    use super::MaskedLm;
    use crate::data::Samples;
    use crate::kernels::host::{Gradient, Operand, Place, Values, integers, record, uninitialised};
    use crate::kernels::math::{exp, max, sum, vectorized};
    use crate::kernels::rows::{CHUNK_ROWS, add_up};
    use burn::tensor::{Int, Tensor, TensorData};
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;

    pub(super) fn masked_lm(
        [hidden, word_table]: [&Tensor<2>; 2],
        bias: &Tensor<1>,
        targets: &Tensor<1, Int>,
        samples: &Samples,
        temperature: f64,
        format: Format,
    ) -> Option<MaskedLm> {
        let operands = super::super::operands!(hidden.clone(), word_table.clone(), bias.clone());
        let device = targets.device();
        let targets = integers(targets.clone());
        let quantiles = match samples {
            Samples::Quantiles(at) => Some(Operand::of(at.clone())?.values),
            Samples::Ids(_) => None,
        };
        let ([hidden, words, bias], place) = Place::of(operands);
        let (picked, inner, vocabulary) = (targets.len(), hidden.width(), bias.len());
        let mut logits = uninitialised(picked * vocabulary);
        let out = MatrixMut::new(&mut logits, picked, vocabulary);
        let (a, b) = (Matrix::new(&hidden, picked, inner), Matrix::new(&words, vocabulary, inner).t());
        format.multiply(out, Output::Set, a, b, 1.0, Threads::All);
        let inverse = (temperature != 1.0).then(|| (1.0 / temperature) as f32);
        let rows: Vec<LogitRow> = logits
            .par_chunks_mut(vocabulary)
            .enumerate()
            .map(|(at, row)| {
                let quantile = quantiles.as_ref().map(|quantiles| quantiles[at]);
                // Only a row with a quantile at another temperature needs room for other weights.
                let mut others =
                    if inverse.is_some() && quantile.is_some() { vec![0.0; row.len()] } else { Vec::new() };
                of_row(row, &bias, targets[at], quantile, inverse, &mut others)
            })
            .collect();
        let loss: f64 = rows.iter().map(|row| f64::from(row.loss)).sum();
        let correct = rows.iter().filter(|row| row.correct).count() as f32;
        let samples = match samples {
            Samples::Ids(ids) => ids.clone(),
            Samples::Quantiles(_) => {
                let ids: Vec<i32> = rows.iter().map(|row| row.sample as i32).collect();
                Tensor::from_data(TensorData::new(ids, [picked]), &device)
            }
        };
        let probabilities = Values::new(logits, [picked, vocabulary]);
        let kept = Words { hidden, words, probabilities, targets, format };
        Some(MaskedLm {
            loss: record(place, Values::new(vec![loss as f32], [1]), kept),
            samples,
            correct: Tensor::from_data([correct], &device),
        })
    }

    struct LogitRow {
        loss: f32,
        correct: bool,
        sample: usize,
    }

    /// Words whose probabilities are added up before they are compared with a quantile.
    const BLOCK: usize = 256;

    vectorized! {
        /// Logits without their bias become probabilities; `inverse` is that of the temperature where it is not 1, and
        /// `others` has room for as many weights then.
        fn of_row(
            logits: &mut [f32],
            bias: &[f32],
            target: usize,
            quantile: Option<f32>,
            inverse: Option<f32>,
            others: &mut [f32],
        ) -> LogitRow {
            for (logit, bias) in logits.iter_mut().zip(bias) {
                *logit += bias;
            }
            let largest = max(logits);
            let likeliest = logits.iter().position(|&logit| logit == largest);
            let of_target = logits[target];
            if let Some(inverse) = inverse {
                for (other, logit) in others.iter_mut().zip(logits.iter()) {
                    *other = exp((logit - largest) * inverse);
                }
            }
            for logit in logits.iter_mut() {
                *logit = exp(*logit - largest);
            }
            let total = sum(logits.len(), |i| logits[i]);
            let sample = quantile.map_or(target, |at| quantile_of(if others.is_empty() { logits } else { others }, at));
            let factor = 1.0 / total;
            for logit in logits.iter_mut() {
                *logit *= factor;
            }
            LogitRow { loss: largest - of_target + total.ln(), correct: likeliest == Some(target), sample }
        }
    }

    /// The first index whose cumulative sum exceeds `at` times the total.
    #[inline(always)]
    fn quantile_of(weights: &[f32], at: f32) -> usize {
        let of_block = |block: &[f32]| sum(block.len(), |i| block[i]);
        let total = weights.chunks(BLOCK).map(of_block).fold(0.0, |total, block| total + block);
        let wanted = at * total;
        let mut before = 0.0;
        let mut last = 0;
        for (number, block) in weights.chunks(BLOCK).enumerate() {
            let after = before + of_block(block);
            if after > wanted {
                for (place, weight) in block.iter().enumerate() {
                    before += weight;
                    if *weight > 0.0 {
                        last = number * BLOCK + place;
                    }
                    if before > wanted {
                        break;
                    }
                }
                return last;
            }
            before = after;
        }
        // Rounding left the quantile at the very end: the last word that can be drawn.
        weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
    }

    #[derive(Clone, Debug)]
    struct Words {
        hidden: Values,
        words: Values,
        probabilities: Values,
        targets: Vec<usize>,
        format: Format,
    }

    impl Gradient<3> for Words {
        fn backward(self, output: Values, wanted: [bool; 3]) -> [Option<Values>; 3] {
            let Self { hidden, words, mut probabilities, targets, format } = self;
            let (picked, inner) = (targets.len(), hidden.width());
            let vocabulary = words.len() / inner;
            let gradient = output[0];
            let chunk = CHUNK_ROWS * vocabulary;
            let parts = probabilities.as_mut().par_chunks_mut(chunk).zip(targets.par_chunks(CHUNK_ROWS));
            let sums = parts.map(|(rows, targets)| back(rows, targets, gradient, vocabulary)).collect();
            let changes = Matrix::new(&probabilities, picked, vocabulary);
            let dhidden = wanted[0].then(|| {
                let mut dhidden = uninitialised(picked * inner);
                let out = MatrixMut::new(&mut dhidden, picked, inner);
                format.multiply(out, Output::Set, changes, Matrix::new(&words, vocabulary, inner), 1.0, Threads::All);
                Values::new(dhidden, hidden.shape())
            });
            let dwords = wanted[1].then(|| {
                let mut dwords = uninitialised(vocabulary * inner);
                let out = MatrixMut::new(&mut dwords, vocabulary, inner);
                format.multiply(out, Output::Set, changes.t(), Matrix::new(&hidden, picked, inner), 1.0, Threads::All);
                Values::new(dwords, words.shape())
            });
            [dhidden, dwords, wanted[2].then(|| Values::new(add_up(sums, vocabulary), [vocabulary]))]
        }
    }

    vectorized! {
        /// Probabilities become the gradient of the logits; returns the sums of its columns.
        fn back(rows: &mut [f32], targets: &[usize], gradient: f32, vocabulary: usize) -> Vec<f32> {
            let mut sums = vec![0.0; vocabulary];
            for (row, &target) in rows.chunks_exact_mut(vocabulary).zip(targets) {
                row[target] -= 1.0;
                for (value, sum) in row.iter_mut().zip(&mut sums) {
                    *value *= gradient;
                    *sum += *value;
                }
            }
            sums
        }
    }
}

//! Multi-head attention: `dropout(softmax(Q K^T / sqrt(width) + mask)) V`.
//!
//! Fused: for a block of queries at a time the scores, their softmax, its mask and the weighted sum stay in the cache
//! (Dao et al., "FlashAttention", 2022). Nothing of size `seq x seq` is kept for the way back, which computes it again
//! from one number a row, and padding is left out instead of being masked.

use super::context::StepContext;
use super::dropout::Dropout;
use super::precision::product;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use std::sync::Arc;

/// What a position may attend to.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one exists a forward pass, and most are the large one or empty")]
pub enum AttentionMask {
    /// Every position of its sequence.
    Full,
    /// `[batch, 1, 1, seq]`, added to the scores.
    Bias(Tensor<4>),
    /// The tensors are `[1, tokens, hidden]` and hold the real tokens of sequences of these lengths, one after the
    /// other; every position of its own sequence. Fused kernels only.
    Lengths(Arc<[usize]>),
}

/// `query`, `key` and `value` `[batch, seq, hidden]` -> `[batch, seq, hidden]`, heads side by side in `hidden`.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    num_attention_heads: usize,
    mask: &AttentionMask,
    dropout: &Dropout,
    context: &StepContext,
) -> Tensor<3> {
    let hidden = query.dims()[2];
    assert!(num_attention_heads > 0 && hidden.is_multiple_of(num_attention_heads), "heads do not divide hidden states");
    #[cfg(feature = "flex")]
    if context.is_fused()
        && let Some(output) = fused::attention([&query, &key, &value], num_attention_heads, mask, (dropout, context))
    {
        return output;
    }
    let shape = query.shape();
    let weights = attention_weights(query, key, num_attention_heads, mask, context);
    let probabilities = dropout.forward(weights, context);
    product(probabilities, split(value, num_attention_heads), context).swap_dims(1, 2).reshape(shape)
}

/// What [`attention`] weighs values with, `[batch, heads, seq, seq]`, a row a query; from `query` and `key`
/// `[batch, seq, hidden]`. The portable form alone: the fused one never has them in one place.
pub fn attention_weights(
    query: Tensor<3>,
    key: Tensor<3>,
    num_attention_heads: usize,
    mask: &AttentionMask,
    context: &StepContext,
) -> Tensor<4> {
    let width = query.dims()[2] / num_attention_heads;
    // Scaling the query touches `width / seq` of the numbers that scaling the scores would.
    let query = split(query * (width as f64).powf(-0.5), num_attention_heads);
    let scores = product(query, split(key, num_attention_heads).transpose(), context);
    let scores = match mask {
        AttentionMask::Full => scores,
        AttentionMask::Bias(bias) => scores + bias.clone(),
        AttentionMask::Lengths(_) => unreachable!("sequences are laid end to end only for the fused kernel"),
    };
    softmax(scores, 3)
}

/// `[batch, seq, hidden]` -> `[batch, heads, seq, hidden / heads]`.
fn split(x: Tensor<3>, num_attention_heads: usize) -> Tensor<4> {
    let [batch, seq, hidden] = x.dims();
    x.reshape([batch, seq, num_attention_heads, hidden / num_attention_heads]).swap_dims(1, 2)
}

#[cfg(feature = "flex")]
pub(super) mod fused {
    use super::AttentionMask;
    use crate::kernels::context::StepContext;
    use crate::kernels::dropout::{Dropout, Mask};
    use crate::kernels::host::{Gradient, Place, Values, record, uninitialised};
    use crate::kernels::math::{exp, max, sum, vectorized};
    use burn::tensor::Tensor;
    use electra_matmul::{Format, Matrix, MatrixMut, Output, Threads};
    use rayon::prelude::*;
    use std::sync::Arc;

    /// Queries that are worked on at a time: their scores fit into the cache of a core.
    const BLOCK: usize = 128;

    pub(super) fn attention(
        [query, key, value]: [&Tensor<3>; 3],
        heads: usize,
        mask: &AttentionMask,
        (dropout, context): (&Dropout, &StepContext),
    ) -> Option<Tensor<3>> {
        let layout = Layout::new(mask, query.dims(), query.dims()[2], heads)?;
        let operands = super::super::operands!(query.clone(), key.clone(), value.clone());
        let (drop, format) = (dropout.mask(&query.device(), context), context.format());
        let shape = query.shape();
        let (inputs, place) = Place::of(operands);
        let (output, attention) = attend(inputs, layout, drop, format);
        Some(record(place, Values::new(output, shape), attention))
    }

    /// The output for query, key and value, and what is kept for their gradients.
    pub(in crate::kernels) fn attend(
        inputs: [Values; 3],
        layout: Layout,
        drop: Option<Mask>,
        format: Format,
    ) -> (Vec<f32>, Attention) {
        let hidden = layout.heads * layout.width;
        let rows = inputs[0].len() / hidden;
        let mut output = uninitialised(rows * hidden);
        let mut log_sums = uninitialised(rows * layout.heads);
        let tasks = layout.cut([&mut output], &mut log_sums);
        tasks.into_par_iter().for_each(|Sequence { first, weights, out: [out], log_sums }| {
            let [q, k, v] = inputs.each_ref().map(|values| &values[first * hidden..][..out.len()]);
            let mut scores = Vec::new();
            for head in layout.heads(out.len()) {
                let (k, v) = (head.of(k), head.of(v));
                for block in head.blocks() {
                    let (q, p) = (block.of(q), block.scores(&mut scores));
                    format.multiply(
                        MatrixMut::new(p, block.rows, block.seq),
                        Output::Set,
                        q,
                        k.t(),
                        head.scale(),
                        Threads::One,
                    );
                    softmax(p, block.seq, block.part(log_sums));
                    if let Some(drop) = drop {
                        drop.scale(p, weights + block.weights());
                    }
                    format.multiply(
                        block.of_mut(out),
                        Output::Set,
                        Matrix::new(p, block.rows, block.seq),
                        v,
                        1.0,
                        Threads::One,
                    );
                }
            }
        });
        (output, Attention { inputs, layout, log_sums, drop, format })
    }

    #[derive(Clone, Debug)]
    pub(in crate::kernels) struct Attention {
        /// Query, key and value.
        inputs: [Values; 3],
        layout: Layout,
        /// `ln sum e^score`, a number a row and head.
        log_sums: Vec<f32>,
        drop: Option<Mask>,
        format: Format,
    }

    impl Gradient<3> for Attention {
        fn backward(self, output: Values, _wanted: [bool; 3]) -> [Option<Values>; 3] {
            let shape = output.shape();
            self.back(&output).map(|gradient| Some(Values::new(gradient, shape.clone())))
        }
    }

    impl Attention {
        /// The gradients of query, key and value from that of the output.
        pub(in crate::kernels) fn back(mut self, output: &[f32]) -> [Vec<f32>; 3] {
            let Self { inputs, layout, log_sums, drop, format } = &mut self;
            let (hidden, drop, format) = (layout.heads * layout.width, *drop, *format);
            let [mut dq, mut dk, mut dv] = [(); 3].map(|()| uninitialised(output.len()));
            let tasks = layout.cut([&mut dq, &mut dk, &mut dv], log_sums);
            tasks.into_par_iter().for_each(|Sequence { first, weights, out: [dq, dk, dv], log_sums }| {
                let [q, k, v] = inputs.each_ref().map(|values| &values[first * hidden..][..dq.len()]);
                let gradient = &output[first * hidden..][..dq.len()];
                let (mut scores, mut changes, mut factors) = (Vec::new(), Vec::new(), Vec::new());
                for head in layout.heads(dq.len()) {
                    let (k, v) = (head.of(k), head.of(v));
                    for block in head.blocks() {
                        let how = if block.first == 0 { Output::Set } else { Output::Add };
                        let (q, gradient) = (block.of(q), block.of(gradient));
                        let (p, dp, f) =
                            (block.scores(&mut scores), block.scores(&mut changes), block.scores(&mut factors));
                        let out = MatrixMut::new(p, block.rows, block.seq);
                        format.multiply(out, Output::Set, q, k.t(), head.scale(), Threads::One);
                        f.fill(1.0);
                        if let Some(drop) = drop {
                            drop.scale(f, weights + block.weights());
                        }
                        let out = MatrixMut::new(dp, block.rows, block.seq);
                        format.multiply(out, Output::Set, gradient, v.t(), 1.0, Threads::One);
                        // From here on `p` holds the weights as they were applied, `dp` the gradient of the scores.
                        back_through_softmax(p, dp, f, block.seq, block.part(log_sums));
                        let (p, dp) = (Matrix::new(p, block.rows, block.seq), Matrix::new(dp, block.rows, block.seq));
                        format.multiply(head.of_mut(dv), how, p.t(), gradient, 1.0, Threads::One);
                        format.multiply(block.of_mut(dq), Output::Set, dp, k, head.scale(), Threads::One);
                        format.multiply(head.of_mut(dk), how, dp.t(), q, head.scale(), Threads::One);
                    }
                }
            });
            [dq, dk, dv]
        }
    }

    /// How sequences and heads lie in `[tokens, hidden]`.
    #[derive(Clone, Debug)]
    pub(in crate::kernels) struct Layout {
        heads: usize,
        width: usize,
        lengths: Arc<[usize]>,
    }

    /// A sequence, the unit of work of a thread.
    struct Sequence<'a, const N: usize> {
        /// Its first token.
        first: usize,
        /// Attention weights before its own.
        weights: usize,
        out: [&'a mut [f32]; N],
        log_sums: &'a mut [f32],
    }

    impl Layout {
        /// Of `[batch, seq, _]` in `heads` that are `hidden` wide together; absent where padding is masked instead of left out.
        pub(in crate::kernels) fn new(
            mask: &AttentionMask,
            [batch, seq, _]: [usize; 3],
            hidden: usize,
            heads: usize,
        ) -> Option<Self> {
            let lengths: Arc<[usize]> = match mask {
                AttentionMask::Full => std::iter::repeat_n(seq, batch).collect(),
                AttentionMask::Lengths(lengths) => lengths.clone(),
                AttentionMask::Bias(_) => return None,
            };
            assert!(heads > 0 && hidden.is_multiple_of(heads), "heads do not divide hidden states");
            assert!(
                lengths.iter().sum::<usize>() == batch * seq,
                "the lengths of the sequences are not those of the batch"
            );
            Some(Self { heads, width: hidden / heads, lengths })
        }

        /// The sequences, with their parts of the outputs `[tokens, hidden]` and of `log_sums` `[tokens, heads]`.
        fn cut<'a, const N: usize>(
            &self,
            mut out: [&'a mut [f32]; N],
            mut log_sums: &'a mut [f32],
        ) -> Vec<Sequence<'a, N>> {
            let (mut first, mut weights) = (0, 0);
            let mut sequences = Vec::with_capacity(self.lengths.len());
            for &length in self.lengths.iter() {
                let part = out.each_mut().map(|rest| take(rest, length * self.heads * self.width));
                let sums = take(&mut log_sums, length * self.heads);
                sequences.push(Sequence { first, weights, out: part, log_sums: sums });
                first += length;
                weights += length * length * self.heads;
            }
            sequences
        }

        /// The heads of a sequence of `len / hidden` tokens.
        fn heads(&self, len: usize) -> impl Iterator<Item = Head> + use<> {
            // A sequence without tokens has nothing to do.
            let (heads, width) = (if len == 0 { 0 } else { self.heads }, self.width);
            (0..heads).map(move |head| Head { head, width, hidden: heads * width, seq: len / (heads * width) })
        }
    }

    fn take<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
        let (part, after) = std::mem::take(rest).split_at_mut(len);
        *rest = after;
        part
    }

    /// A head of a sequence.
    #[derive(Clone, Copy)]
    struct Head {
        head: usize,
        width: usize,
        hidden: usize,
        seq: usize,
    }

    impl Head {
        fn scale(self) -> f32 {
            (self.width as f32).powf(-0.5)
        }

        /// Its columns of `[seq, hidden]`.
        fn of(self, values: &[f32]) -> Matrix<'_> {
            Matrix::strided(&values[self.head * self.width..], self.seq, self.width, self.hidden)
        }

        fn of_mut(self, values: &mut [f32]) -> MatrixMut<'_> {
            MatrixMut::strided(&mut values[self.head * self.width..], self.seq, self.width, self.hidden)
        }

        fn blocks(self) -> impl Iterator<Item = Block> {
            let seq = self.seq;
            (0..seq).step_by(BLOCK).map(move |first| Block { head: self, seq, first, rows: BLOCK.min(seq - first) })
        }
    }

    /// Some queries of a head.
    #[derive(Clone, Copy)]
    struct Block {
        head: Head,
        seq: usize,
        first: usize,
        rows: usize,
    }

    impl Block {
        /// Its rows of the head's columns of `[seq, hidden]`.
        fn of(self, values: &[f32]) -> Matrix<'_> {
            let Head { head, width, hidden, .. } = self.head;
            Matrix::strided(&values[self.first * hidden + head * width..], self.rows, width, hidden)
        }

        fn of_mut(self, values: &mut [f32]) -> MatrixMut<'_> {
            let Head { head, width, hidden, .. } = self.head;
            MatrixMut::strided(&mut values[self.first * hidden + head * width..], self.rows, width, hidden)
        }

        /// Room for a number a query and key, `[rows, seq]`.
        fn scores(self, memory: &mut Vec<f32>) -> &mut [f32] {
            memory.resize(self.rows * self.seq, 0.0);
            memory
        }

        /// Weights of its sequence before its own.
        fn weights(self) -> usize {
            (self.head.head * self.seq + self.first) * self.seq
        }

        /// Its part of `[heads, seq]`.
        fn part(self, values: &mut [f32]) -> &mut [f32] {
            &mut values[self.head.head * self.seq + self.first..][..self.rows]
        }
    }

    vectorized! {
        /// Softmax of rows of `seq` scores, in place; leaves `ln sum e^score` of each in `log_sums`.
        fn softmax(scores: &mut [f32], seq: usize, log_sums: &mut [f32]) {
            for (row, log_sum) in scores.chunks_exact_mut(seq).zip(log_sums) {
                let largest = max(row);
                for value in row.iter_mut() {
                    *value = exp(*value - largest);
                }
                let total = sum(seq, |i| row[i]);
                let factor = 1.0 / total;
                for value in row.iter_mut() {
                    *value *= factor;
                }
                *log_sum = largest + total.ln();
            }
        }
    }

    vectorized! {
        /// `scores` become the weights with their dropout `factors`, the gradient of the weights in `changes` that of
        /// the scores.
        fn back_through_softmax(
            scores: &mut [f32],
            changes: &mut [f32],
            factors: &[f32],
            seq: usize,
            log_sums: &[f32],
        ) {
            let rows = scores.chunks_exact_mut(seq).zip(changes.chunks_exact_mut(seq)).zip(factors.chunks_exact(seq));
            for (((weights, changes), factors), log_sum) in rows.zip(log_sums) {
                for ((weight, change), factor) in weights.iter_mut().zip(changes.iter_mut()).zip(factors) {
                    *weight = exp(*weight - log_sum);
                    *change *= factor;
                }
                let along = sum(seq, |i| weights[i] * changes[i]);
                for ((weight, change), factor) in weights.iter_mut().zip(changes.iter_mut()).zip(factors) {
                    *change = *weight * (*change - along);
                    *weight *= factor;
                }
            }
        }
    }
}

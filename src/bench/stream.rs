//! Batches of random tokens, made by the code that makes those of a run.

use crate::config::Config;
use crate::data::{HostBatch, HostRows, Masking, Purpose, Rng, Row, StepBatch, step_key};
use crate::tokenizer::{SpecialTokens, TokenKinds};
use burn::tensor::Device;

const SPECIAL: SpecialTokens = SpecialTokens { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4 };

/// An endless stream of steps, each a pure function of its number.
pub struct Stream {
    masking: Masking,
    seed: u64,
    batches: usize,
    batch_size: usize,
    sequence_length: usize,
    vocab_size: usize,
    padding: f64,
    deterministic: bool,
}

impl Stream {
    /// Steps of `config`, with a mean share of `padding`, at most 0.5.
    pub fn new(config: &Config, padding: f64) -> Self {
        let kinds = TokenKinds { special: SPECIAL, continues: [].into(), sentence_ends: Vec::new() };
        Self {
            masking: Masking::new(&config.data, &kinds),
            seed: config.seed,
            batches: config.training.accumulation,
            batch_size: config.data.batch_size,
            sequence_length: config.data.sequence_length,
            vocab_size: config.model.vocab_size,
            padding,
            deterministic: config.training.deterministic,
        }
    }

    /// Step `step`, counted from 0, on `device`.
    pub fn step(&self, step: usize, device: &Device) -> StepBatch {
        let batches = (0..self.batches).map(|batch| self.batch(step, batch).to_device(device)).collect();
        StepBatch::new(step + 1, step_key(self.seed, step, 0), batches)
    }

    fn batch(&self, step: usize, batch: usize) -> HostBatch {
        let number = |row: usize| (batch * self.batch_size + row) as u64;
        let rows: Vec<Row> = (0..self.batch_size)
            .map(|row| self.row(&mut Rng::new(self.seed, Purpose::Order, step as u64, number(row))).into())
            .collect();
        let rng = |row: usize| Rng::new(self.seed, Purpose::Mask, step as u64, number(row));
        let batch = HostBatch::new(&rows, &self.masking, SPECIAL.mask, SPECIAL.pad, rng);
        HostBatch { deterministic: self.deterministic, ..batch }
    }

    fn row(&self, rng: &mut Rng) -> Vec<u32> {
        let left_out = 2.0 * self.padding * f64::from(rng.uniform());
        let length = ((self.sequence_length as f64 * (1.0 - left_out)) as usize).max(3);
        let word = |_| SPECIAL.mask + 1 + rng.below(self.vocab_size - 5) as u32;
        let words: Vec<u32> = (0..length - 2).map(word).collect();
        std::iter::once(SPECIAL.cls).chain(words).chain([SPECIAL.sep]).collect()
    }
}

//! Sequences as steps of training, and the loader of validations, whose pass is all held-out sequences.

use super::batch::{HostBatch, HostRows, StepBatch};
use super::cursor::{Cursor, Pass};
use super::masking::Masking;
use super::order::Permutation;
use super::rng::{Purpose, Rng};
use super::sequences::Sequences;
use super::steps::Steps;
use crate::config::Config;
use crate::tokenizer::{SpecialTokens, TokenKinds};
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use std::ops::Range;
use std::sync::Arc;

/// What training and validation share: the sequences and how batches are made of them.
#[derive(Debug, Clone)]
struct BatchSource {
    sequences: Sequences,
    masking: Masking,
    special: SpecialTokens,
    batch_size: usize,
    deterministic: bool,
    seed: u64,
}

impl BatchSource {
    fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds) -> Self {
        let masking = Masking::new(&config.data, kinds);
        let special = kinds.special;
        let (batch_size, seed) = (config.data.batch_size, config.seed);
        let deterministic = config.training.deterministic;
        Self { sequences, masking, special, batch_size, deterministic, seed }
    }

    /// Of sequences, each an index and a pass.
    fn batch(&self, items: impl Iterator<Item = (usize, usize)>, rng: impl Fn(usize) -> Rng) -> HostBatch {
        let rows: Vec<_> = items.map(|(index, epoch)| self.sequences.get(index, epoch)).collect();
        let batch = HostBatch::new(&rows, &self.masking, self.special.mask, self.special.pad, rng);
        HostBatch { deterministic: self.deterministic, ..batch }
    }
}

/// What pretraining goes through: an endless stream of seeded passes over the sequences, cut into steps.
#[derive(Debug, Clone)]
pub struct TrainSteps {
    source: BatchSource,
    accumulation: usize,
}

impl TrainSteps {
    /// Steps over `sequences`, which must not be empty.
    pub fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds) -> Self {
        Self { source: BatchSource::new(sequences, config, kinds), accumulation: config.training.accumulation }
    }

    /// The sequences of step `step`, counted from 0, each as its index in the split and the pass over it.
    pub fn indices(&self, step: usize) -> Vec<(usize, usize)> {
        let total = self.source.sequences.len();
        let rows = self.accumulation * self.source.batch_size;
        let item = |at: usize| {
            let epoch = at / total;
            (Permutation::new(total, self.source.seed, epoch as u64).get(at % total), epoch)
        };
        (step * rows..(step + 1) * rows).map(item).collect()
    }
}

impl Steps for TrainSteps {
    type Rows = HostBatch;

    fn batches(&self, step: usize) -> Vec<HostBatch> {
        let source = &self.source;
        let items = self.indices(step);
        let batches = items.chunks(source.batch_size).enumerate();
        batches
            .map(|(part, items)| {
                let offset = part * source.batch_size;
                let rng = |row| Rng::new(source.seed, Purpose::Mask, step as u64, (offset + row) as u64);
                source.batch(items.iter().copied(), rng)
            })
            .collect()
    }

    fn seed(&self) -> u64 {
        self.source.seed
    }
}

/// Batches for validation: the held-out sequences in their order, masked in the same way every time.
#[derive(Debug, Clone)]
pub struct ValidLoader {
    source: BatchSource,
    device: Device,
    cursor: Cursor,
    batches: Range<usize>,
}

impl ValidLoader {
    /// A loader whose batches land on `device`.
    pub fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds, device: Device, cursor: Cursor) -> Self {
        let sequences = sequences.take(config.data.validation_sequences);
        let batches = 0..sequences.len().div_ceil(config.data.batch_size);
        Self { source: BatchSource::new(sequences, config, kinds), device, cursor, batches }
    }

    /// Its first batch, as every validation sees it.
    pub fn first(&self) -> HostBatch {
        self.host_batch(0)
    }

    fn host_batch(&self, index: usize) -> HostBatch {
        let source = &self.source;
        let first = index * source.batch_size;
        let rng = |row| Rng::new(source.seed, Purpose::Validation, 0, (first + row) as u64);
        source.batch((first..(first + source.batch_size).min(source.sequences.len())).map(|index| (index, 0)), rng)
    }
}

impl DataLoader<StepBatch> for ValidLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch> + 'a> {
        let step = self.cursor.get().end;
        let batch = move |index| StepBatch::new(step, 0, vec![self.host_batch(index).to_device(&self.device)]);
        let items = self.batches.clone().map(move |index| Ok(batch(index)));
        Box::new(Pass::new(items, self.batches.len(), "batches"))
    }

    fn num_items(&self) -> usize {
        self.batches.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch>> {
        let first = self.batches.start;
        let batches = (first + start).min(self.batches.end)..(first + end).min(self.batches.end);
        Arc::new(Self { batches, ..self.clone() })
    }
}

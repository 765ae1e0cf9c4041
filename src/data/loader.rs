//! Burn data loaders over sequences. A pass of the training loader is a window of optimizer steps that the strategy
//! sets; a pass of the validation loader is all held-out sequences.

use super::batch::{HostBatch, StepBatch};
use super::masking::Masking;
use super::order::Permutation;
use super::prefetch::Prefetch;
use super::rng::{Purpose, Rng};
use super::sequences::Sequences;
use crate::config::Config;
use crate::tokenizer::{SpecialTokens, TokenKinds};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The steps of the current window, shared between the strategy, which moves it, and the loaders.
#[derive(Debug, Clone, Default)]
pub struct Cursor(Arc<Mutex<Range<usize>>>);

impl Cursor {
    /// Moves to the window whose steps, from 0, are `steps`.
    pub fn set(&self, steps: Range<usize>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = steps;
    }

    /// The current window.
    pub fn get(&self) -> Range<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What both loaders share: the sequences and how batches are made of them.
#[derive(Debug, Clone)]
struct Source {
    sequences: Sequences,
    masking: Masking,
    special: SpecialTokens,
    batch_size: usize,
    seed: u64,
    device: Device,
    cursor: Cursor,
}

impl Source {
    fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds, device: Device, cursor: Cursor) -> Self {
        let masking = Masking::new(&config.data, kinds);
        let special = kinds.special;
        let (batch_size, seed) = (config.data.batch_size, config.seed);
        Self { sequences, masking, special, batch_size, seed, device, cursor }
    }

    /// Of sequences, each an index and a pass.
    fn batch(&self, items: impl Iterator<Item = (usize, usize)>, rng: impl Fn(usize) -> Rng) -> HostBatch {
        let rows: Vec<_> = items.map(|(index, epoch)| self.sequences.get(index, epoch)).collect();
        HostBatch::new(&rows, &self.masking, self.special.mask, self.special.pad, rng)
    }
}

/// Batches for training: an endless stream of seeded passes over the sequences, cut into steps.
#[derive(Debug, Clone)]
pub struct TrainLoader {
    source: Source,
    accumulation: usize,
    /// The part of the window that this loader serves, where it was sliced.
    part: Option<Range<usize>>,
}

impl TrainLoader {
    /// A loader whose batches land on `device`; `sequences` must not be empty.
    pub fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds, device: Device, cursor: Cursor) -> Self {
        let source = Source::new(sequences, config, kinds, device, cursor);
        Self { source, accumulation: config.training.accumulation, part: None }
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

    /// The batches of step `step`, counted from 0, on the host.
    pub fn host_batches(&self, step: usize) -> Vec<HostBatch> {
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

    fn steps(&self) -> Range<usize> {
        let window = self.source.cursor.get();
        match &self.part {
            None => window,
            Some(part) => (window.start + part.start).min(window.end)..(window.start + part.end).min(window.end),
        }
    }
}

impl DataLoader<StepBatch> for TrainLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch> + 'a> {
        let (device, steps, loader) = (self.source.device.clone(), self.steps(), self.clone());
        let total = steps.len();
        let batches = Prefetch::new(steps.clone(), move |step| loader.host_batches(step));
        let mut steps = steps;
        let mut on_device = move |batches: Vec<HostBatch>| StepBatch {
            step: steps.next().map_or(0, |step| step + 1),
            batches: batches.iter().map(|batch| batch.to_device(&device)).collect(),
        };
        match batches {
            Ok(batches) => {
                let items = batches.map(move |item| item.map(&mut on_device).map_err(DatasetError::new));
                Box::new(Pass::new(items, total, "steps"))
            }
            Err(error) => {
                let items = std::iter::once(Err(DatasetError::new(error)));
                Box::new(Pass::new(items, total, "steps"))
            }
        }
    }

    fn num_items(&self) -> usize {
        self.steps().len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch>> {
        Arc::new(Self { source: Source { device: device.clone(), ..self.source.clone() }, ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch>> {
        Arc::new(Self { part: Some(start..end), ..self.clone() })
    }
}

/// Batches for validation: the held-out sequences in their order, masked in the same way every time.
#[derive(Debug, Clone)]
pub struct ValidLoader {
    source: Source,
    batches: Range<usize>,
}

impl ValidLoader {
    /// A loader whose batches land on `device`.
    pub fn new(sequences: Sequences, config: &Config, kinds: &TokenKinds, device: Device, cursor: Cursor) -> Self {
        let sequences = sequences.take(config.data.validation_sequences);
        let batches = 0..sequences.len().div_ceil(config.data.batch_size);
        Self { source: Source::new(sequences, config, kinds, device, cursor), batches }
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
        let step = self.source.cursor.get().end;
        let device = &self.source.device;
        let batch = move |index| StepBatch { step, batches: vec![self.host_batch(index).to_device(device)] };
        let items = self.batches.clone().map(move |index| Ok(batch(index)));
        Box::new(Pass::new(items, self.batches.len(), "batches"))
    }

    fn num_items(&self) -> usize {
        self.batches.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch>> {
        Arc::new(Self { source: Source { device: device.clone(), ..self.source.clone() }, ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch>> {
        let first = self.batches.start;
        let batches = (first + start).min(self.batches.end)..(first + end).min(self.batches.end);
        Arc::new(Self { batches, ..self.clone() })
    }
}

/// Items of a pass, which knows how far it is.
pub struct Pass<I> {
    items: I,
    done: usize,
    total: usize,
    unit: &'static str,
}

impl<I> Pass<I> {
    /// A pass over `total` items, each a `unit`.
    pub fn new(items: I, total: usize, unit: &'static str) -> Self {
        Self { items, done: 0, total, unit }
    }
}

impl<I: Iterator> Iterator for Pass<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.items.next()?;
        self.done += 1;
        Some(item)
    }
}

impl<B, I: Iterator<Item = Result<StepBatch<B>, DatasetError>>> DataLoaderIterator<StepBatch<B>> for Pass<I> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.total, Some(self.unit.into()))
    }
}

//! Burn data loaders over features: steps of training, and all features for a validation.

use super::batch::{HostBatch, TaskBatch};
use super::feature::Feature;
use super::order::{batches_by_length, training_batches};
use crate::data::{Cursor, Pass, Prefetch, StepBatch};
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What both loaders share.
#[derive(Debug, Clone)]
struct Source {
    features: Arc<[Feature]>,
    lengths: Arc<[usize]>,
    pad: u32,
    device: Device,
    cursor: Cursor,
}

impl Source {
    fn new(features: Arc<[Feature]>, pad: u32, device: Device, cursor: Cursor) -> Self {
        let lengths = features.iter().map(|feature| feature.ids.len()).collect();
        Self { features, lengths, pad, device, cursor }
    }
}

/// Numbers of features, by batch.
type Batches = Arc<Vec<Vec<usize>>>;

/// Batches for training: passes over the features, cut into steps.
#[derive(Debug, Clone)]
pub struct TaskTrainLoader {
    source: Source,
    batch_size: usize,
    accumulation: usize,
    seed: u64,
    /// The part of the window that this loader serves, where it was sliced.
    part: Option<Range<usize>>,
    /// The pass that was asked for last, with its batches: they are sorted once, not at every step.
    pass: Arc<Mutex<Option<(usize, Batches)>>>,
}

impl TaskTrainLoader {
    /// A loader whose batches land on `device`; `features` must not be empty.
    pub fn new(
        features: Arc<[Feature]>,
        (batch_size, accumulation): (usize, usize),
        pad: u32,
        seed: u64,
        device: Device,
        cursor: Cursor,
    ) -> Self {
        let source = Source::new(features, pad, device, cursor);
        Self { source, batch_size, accumulation, seed, part: None, pass: Arc::default() }
    }

    /// Steps of a pass over `features` features.
    pub fn steps_a_pass(features: usize, batch_size: usize, accumulation: usize) -> usize {
        features.div_ceil(batch_size).div_ceil(accumulation).max(1)
    }

    /// The features of step `step`, counted from 0, by batch.
    pub fn numbers(&self, step: usize) -> Vec<Vec<usize>> {
        let steps = Self::steps_a_pass(self.source.features.len(), self.batch_size, self.accumulation);
        let (epoch, step) = (step / steps, step % steps);
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = match &*pass {
            Some((number, batches)) if *number == epoch => batches.clone(),
            _ => {
                let batches = training_batches(&self.source.lengths, self.batch_size, self.seed, epoch);
                let batches = Arc::new(batches);
                *pass = Some((epoch, batches.clone()));
                batches
            }
        };
        drop(pass);
        let batches = batches.chunks(self.accumulation).nth(step).unwrap_or_default();
        batches.to_vec()
    }

    fn steps(&self) -> Range<usize> {
        let window = self.source.cursor.get();
        match &self.part {
            None => window,
            Some(part) => (window.start + part.start).min(window.end)..(window.start + part.end).min(window.end),
        }
    }
}

impl DataLoader<StepBatch<TaskBatch>> for TaskTrainLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch<TaskBatch>> + 'a> {
        let (device, steps, loader) = (self.source.device.clone(), self.steps(), self.clone());
        let total = steps.len();
        let make = move |step| -> Vec<HostBatch> {
            let source = &loader.source;
            loader.numbers(step).iter().map(|of| HostBatch::new(&source.features, of, source.pad)).collect()
        };
        let mut numbers = steps.clone();
        let mut on_device = move |batches: Vec<HostBatch>| StepBatch {
            step: numbers.next().map_or(0, |step| step + 1),
            batches: batches.iter().map(|batch| batch.to_device(&device)).collect(),
        };
        match Prefetch::new(steps, make) {
            Ok(batches) => {
                let items = batches.map(move |item| item.map(&mut on_device).map_err(DatasetError::new));
                Box::new(Pass::new(items, total, "steps"))
            }
            Err(error) => Box::new(Pass::new(std::iter::once(Err(DatasetError::new(error))), total, "steps")),
        }
    }

    fn num_items(&self) -> usize {
        self.steps().len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        Arc::new(Self { source: Source { device: device.clone(), ..self.source.clone() }, ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        Arc::new(Self { part: Some(start..end), ..self.clone() })
    }
}

/// All features, for a validation.
#[derive(Debug, Clone)]
pub struct TaskValidLoader {
    source: Source,
    batches: Arc<[Vec<usize>]>,
}

impl TaskValidLoader {
    /// A loader whose batches land on `device`.
    pub fn new(features: Arc<[Feature]>, batch_size: usize, pad: u32, device: Device, cursor: Cursor) -> Self {
        let source = Source::new(features, pad, device, cursor);
        let batches = batches_by_length(&source.lengths, batch_size).into();
        Self { source, batches }
    }
}

impl DataLoader<StepBatch<TaskBatch>> for TaskValidLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch<TaskBatch>> + 'a> {
        let (step, source) = (self.source.cursor.get().end, &self.source);
        let items = self.batches.iter().map(move |of| {
            let batch = HostBatch::new(&source.features, of, source.pad).to_device(&source.device);
            Ok(StepBatch { step, batches: vec![batch] })
        });
        Box::new(Pass::new(items, self.batches.len(), "batches"))
    }

    fn num_items(&self) -> usize {
        self.batches.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        Arc::new(Self { source: Source { device: device.clone(), ..self.source.clone() }, ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        let end = end.min(self.batches.len());
        Arc::new(Self { batches: self.batches[start.min(end)..end].into(), ..self.clone() })
    }
}

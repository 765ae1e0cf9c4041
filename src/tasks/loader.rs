//! Features as steps of training, and the loader of validations, whose pass is all of them.

use super::batch::{TaskBatch, TaskHostBatch};
use super::feature::Feature;
use super::order::{batches_by_length, training_batches};
use crate::data::{Cursor, HostRows, Pass, StepBatch, Steps};
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::tensor::Device;
use std::sync::{Arc, Mutex, PoisonError};

/// Numbers of features, by batch.
type Batches = Arc<Vec<Vec<usize>>>;

/// What fine-tuning goes through: passes over the features, cut into steps.
#[derive(Debug)]
pub struct TaskSteps {
    features: Arc<[Feature]>,
    lengths: Vec<usize>,
    pad: u32,
    batch_size: usize,
    accumulation: usize,
    deterministic: bool,
    seed: u64,
    /// The pass that was asked for last, with its batches: they are sorted once, not at every step.
    pass: Mutex<Option<(usize, Batches)>>,
}

impl TaskSteps {
    /// Steps over `features`, which must not be empty.
    pub fn new(features: Arc<[Feature]>, (batch_size, accumulation): (usize, usize), pad: u32, seed: u64) -> Self {
        let lengths = lengths(&features);
        Self { features, lengths, pad, batch_size, accumulation, deterministic: false, seed, pass: Mutex::default() }
    }

    /// The same with gradients that are added in a fixed order on GPUs too, if `deterministic`.
    pub fn deterministic(self, deterministic: bool) -> Self {
        Self { deterministic, ..self }
    }

    /// Steps of a pass over `features` features.
    pub fn steps_a_pass(features: usize, batch_size: usize, accumulation: usize) -> usize {
        features.div_ceil(batch_size).div_ceil(accumulation).max(1)
    }

    /// The features of step `step`, counted from 0, by batch.
    pub fn numbers(&self, step: usize) -> Vec<Vec<usize>> {
        let steps = Self::steps_a_pass(self.features.len(), self.batch_size, self.accumulation);
        let (epoch, step) = (step / steps, step % steps);
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = match &*pass {
            Some((number, batches)) if *number == epoch => batches.clone(),
            _ => {
                let batches = Arc::new(training_batches(&self.lengths, self.batch_size, self.seed, epoch));
                *pass = Some((epoch, batches.clone()));
                batches
            }
        };
        drop(pass);
        let batches = batches.chunks(self.accumulation).nth(step).unwrap_or_default();
        batches.to_vec()
    }
}

impl Steps for TaskSteps {
    type Rows = TaskHostBatch;

    fn batches(&self, step: usize) -> Vec<TaskHostBatch> {
        let batch = |of: &Vec<usize>| {
            let mut batch = TaskHostBatch::new(&self.features, of, self.pad);
            batch.deterministic = self.deterministic;
            batch
        };
        self.numbers(step).iter().map(batch).collect()
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

fn lengths(features: &[Feature]) -> Vec<usize> {
    features.iter().map(|feature| feature.ids.len()).collect()
}

/// All features, for a validation.
#[derive(Debug, Clone)]
pub struct TaskValidLoader {
    features: Arc<[Feature]>,
    pad: u32,
    device: Device,
    cursor: Cursor,
    batches: Arc<[Vec<usize>]>,
}

impl TaskValidLoader {
    /// A loader whose batches land on `device`.
    pub fn new(features: Arc<[Feature]>, batch_size: usize, pad: u32, device: Device, cursor: Cursor) -> Self {
        let batches = batches_by_length(&lengths(&features), batch_size).into();
        Self { features, pad, device, cursor, batches }
    }
}

impl DataLoader<StepBatch<TaskBatch>> for TaskValidLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch<TaskBatch>> + 'a> {
        let step = self.cursor.get().end;
        let items = self.batches.iter().map(move |of| {
            let batch = TaskHostBatch::new(&self.features, of, self.pad).to_device(&self.device);
            Ok(StepBatch::new(step, 0, vec![batch]))
        });
        Box::new(Pass::new(items, self.batches.len(), "batches"))
    }

    fn num_items(&self) -> usize {
        self.batches.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch<TaskBatch>>> {
        let end = end.min(self.batches.len());
        Arc::new(Self { batches: self.batches[start.min(end)..end].into(), ..self.clone() })
    }
}

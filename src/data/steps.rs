//! The loader of training steps, whatever these are made of. A pass is the window of steps that the strategy sets; where
//! several devices train together, each has a loader of its own that gives it its share of the rows.

use super::batch::{HostRows, StepBatch};
use super::cursor::{Cursor, Pass};
use super::prefetch::Prefetch;
use super::rng::{Purpose, Rng};
use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use std::ops::Range;
use std::sync::Arc;

/// What training steps are made of.
pub trait Steps: Send + Sync + 'static {
    /// A batch on the host.
    type Rows: HostRows;

    /// The batches of step `step`, counted from 0.
    fn batches(&self, step: usize) -> Vec<Self::Rows>;

    /// What all randomness follows from.
    fn seed(&self) -> u64;
}

/// The share that one of several devices has in every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The number of the device, from 0.
    pub rank: usize,
    /// How many devices there are.
    pub of: usize,
}

impl Share {
    /// Of a device that trains alone.
    pub const WHOLE: Self = Self { rank: 0, of: 1 };

    /// The rows of this share in a batch of `rows`; the shares differ by at most one row.
    pub fn rows(self, rows: usize) -> Range<usize> {
        rows * self.rank / self.of..rows * (self.rank + 1) / self.of
    }

    /// This share of step `step`, counted from 0, which has `batches`.
    fn of_step<R: HostRows>(self, step: usize, seed: u64, batches: Vec<R>) -> StepBatch<R> {
        let whole = StepBatch::new(step + 1, step_key(seed, step, self.rank), batches);
        if self == Self::WHOLE {
            return whole;
        }
        let part = |batch: &R| batch.of_rows(self.rows(batch.rows()));
        // Of a batch with fewer rows than devices some get nothing.
        let parts = whole.batches.iter().map(part).filter(|part| part.rows() > 0).collect();
        StepBatch { rank: self.rank, batches: parts, ..whole }
    }
}

/// What dropout in step `step`, counted from 0, follows from on device `rank`.
pub fn step_key(seed: u64, step: usize, rank: usize) -> u64 {
    Rng::new(seed, Purpose::Device, step as u64, rank as u64).next_u64()
}

/// The loader of `S`.
#[derive(Debug)]
pub struct StepLoader<S> {
    steps: Arc<S>,
    device: Device,
    cursor: Cursor,
    share: Share,
    /// The part of the window that this loader serves, where it was sliced.
    part: Option<Range<usize>>,
}

impl<S> Clone for StepLoader<S> {
    fn clone(&self) -> Self {
        let (steps, device, cursor) = (self.steps.clone(), self.device.clone(), self.cursor.clone());
        Self { steps, device, cursor, share: self.share, part: self.part.clone() }
    }
}

impl<S: Steps> StepLoader<S> {
    /// A loader whose batches land on `device`.
    pub fn new(steps: Arc<S>, device: Device, cursor: Cursor) -> Self {
        Self { steps, device, cursor, share: Share::WHOLE, part: None }
    }

    /// A loader for each of `devices`, which share every step.
    pub fn shared(steps: &Arc<S>, devices: &[Device], cursor: &Cursor) -> Vec<Self> {
        let of = devices.len();
        let share = |(rank, device): (usize, &Device)| Self {
            share: Share { rank, of },
            ..Self::new(steps.clone(), device.clone(), cursor.clone())
        };
        devices.iter().enumerate().map(share).collect()
    }

    fn window(&self) -> Range<usize> {
        let window = self.cursor.get();
        match &self.part {
            None => window,
            Some(part) => (window.start + part.start).min(window.end)..(window.start + part.end).min(window.end),
        }
    }
}

impl<S: Steps> DataLoader<StepBatch<<S::Rows as HostRows>::Batch>> for StepLoader<S> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<StepBatch<<S::Rows as HostRows>::Batch>> + 'a> {
        let (window, share, steps, device) = (self.window(), self.share, self.steps.clone(), self.device.clone());
        let total = window.len();
        let make = move |step| share.of_step(step, steps.seed(), steps.batches(step));
        let on_device = move |step: StepBatch<S::Rows>| step.map(|batch| batch.to_device(&device));
        match Prefetch::new(window, make) {
            Ok(steps) => {
                let steps = steps.map(move |step| step.map(&on_device).map_err(DatasetError::new));
                Box::new(Pass::new(steps, total, "steps"))
            }
            Err(error) => Box::new(Pass::new(std::iter::once(Err(DatasetError::new(error))), total, "steps")),
        }
    }

    fn num_items(&self) -> usize {
        self.window().len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<StepBatch<<S::Rows as HostRows>::Batch>>> {
        Arc::new(Self { device: device.clone(), ..self.clone() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<StepBatch<<S::Rows as HostRows>::Batch>>> {
        Arc::new(Self { part: Some(start..end), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_complete() {
        for rows in 0..20 {
            for of in 1..6 {
                let shares: Vec<_> = (0..of).map(|rank| Share { rank, of }.rows(rows)).collect();
                assert_eq!(shares.iter().cloned().flatten().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
                assert!(shares.iter().all(|share| (rows / of..=rows.div_ceil(of)).contains(&share.len())));
            }
        }
    }

    #[test]
    fn every_device_has_masks_of_its_own() {
        let keys = [step_key(1, 0, 0), step_key(1, 0, 1), step_key(1, 1, 0), step_key(2, 0, 0)];
        assert!((0..4).all(|at| !keys[..at].contains(&keys[at])), "{keys:?}");
    }
}

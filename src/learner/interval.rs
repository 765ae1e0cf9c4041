//! What the steps since the last record have come to. It outlives windows and, saved with a checkpoint, the process, so
//! that a record does not depend on what interrupts its interval.

use super::statistics::{StepResult, Tally};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The steps since the last record. A field for each number of the file in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Interval<T> {
    pub last_step: usize,
    /// Steps that are counted below.
    pub steps: usize,
    /// Steps that were not, since their loss or gradients were not finite.
    pub skipped: usize,
    pub tally: T,
    /// Sum over the steps.
    pub grad_norms: f64,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Seconds of training in windows that have ended.
    pub seconds: f64,
    /// Beginning and end of the steps of this window.
    window: Option<(Instant, Instant)>,
    /// Jumps of the loss, and the last of them.
    pub spikes: usize,
    pub spike: Option<Spike>,
    usual: Usual,
    /// Real tokens of all steps of the run.
    pub tokens_seen: usize,
    /// Seconds that the run has used when its checkpoint was begun.
    pub elapsed: f64,
}

/// A jump of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spike {
    pub step: usize,
    pub loss: f64,
    pub usual: f64,
}

/// Mean and variance of the loss over about the last hundred steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Usual {
    mean: f64,
    variance: f64,
    count: f64,
}

impl Usual {
    /// Adds a step's loss; whether it lies far above what is usual, once there are enough steps to know.
    fn add(&mut self, loss: f64) -> bool {
        let above = loss - self.mean;
        let spike = self.count >= 50.0 && above > 6.0 * self.variance.sqrt() && above > 0.1 * self.mean;
        // A spike does not become usual at once.
        if !spike {
            self.count += 1.0;
            let weight = 1.0 / self.count.min(100.0);
            self.mean += weight * above;
            self.variance += weight * (above * (loss - self.mean) - self.variance);
        }
        spike
    }
}

/// The tensor with the time; checkpoints of earlier versions have none.
const ELAPSED: &str = "elapsed";

/// The interval of training, shared with whoever saves it.
pub(super) type SharedInterval<T> = Arc<Mutex<Interval<T>>>;

/// The interval, which is plain numbers and so whole whatever happened to another thread.
pub(super) fn locked<T>(interval: &SharedInterval<T>) -> MutexGuard<'_, Interval<T>> {
    interval.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().max(1e-9)
}

impl<T: Tally> Interval<T> {
    /// Counts a step.
    pub(crate) fn add(&mut self, seen: &StepResult<T>, rate: f64) {
        self.last_step = seen.step;
        self.rate = rate;
        let start = self.window.map_or(seen.time.0, |(start, _)| start);
        self.window = Some((start, seen.time.1));
        self.tokens_seen += seen.tally.tokens();
        if seen.bad.is_some() {
            self.skipped += 1;
            return;
        }
        self.steps += 1;
        self.tally.merge(&seen.tally);
        self.grad_norms += seen.grad_norm.unwrap_or(0.0);
        let (loss, usual) = (seen.tally.loss(), self.usual.mean);
        if self.usual.add(loss) {
            self.spikes += 1;
            self.spike = Some(Spike { step: seen.step, loss, usual });
        }
    }

    /// Stops the clock until the next window.
    pub(crate) fn end_window(&mut self) {
        if let Some((start, end)) = self.window.take() {
            self.seconds += seconds(end - start);
        }
    }

    /// Takes what was counted; nothing where there is nothing to report. What is usual stays, and the tokens seen.
    pub(crate) fn finish(&mut self) -> Option<Self> {
        if self.steps == 0 {
            return None;
        }
        let next =
            Self { last_step: self.last_step, usual: self.usual, tokens_seen: self.tokens_seen, ..Self::default() };
        let mut done = std::mem::replace(self, next);
        done.end_window();
        Some(done)
    }

    /// As a safetensors file: exact, and small beside a checkpoint.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let (mut sums, lists) = self.tally.to_parts();
        let spike = self.spike.unwrap_or(Spike { step: 0, loss: 0.0, usual: 0.0 });
        sums.extend([
            self.last_step as f64,
            self.steps as f64,
            self.skipped as f64,
            self.grad_norms,
            self.rate,
            self.seconds + self.window.map_or(0.0, |(start, end)| seconds(end - start)),
            self.spikes as f64,
            spike.step as f64,
            spike.loss,
            spike.usual,
            self.usual.mean,
            self.usual.variance,
            self.usual.count,
            self.tokens_seen as f64,
        ]);
        let sums: Vec<u8> = sums.iter().flat_map(|value| value.to_le_bytes()).collect();
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let lists: Vec<_> = lists.into_iter().map(|(name, list)| (name, list.len(), bytes(list))).collect();
        let view = |dtype, size, bytes| TensorView::new(dtype, vec![size], bytes).map_err(|error| error.to_string());
        let elapsed = self.elapsed.to_le_bytes();
        let mut tensors =
            vec![("sums", view(Dtype::F64, sums.len() / 8, &sums)?), (ELAPSED, view(Dtype::F64, 1, &elapsed)?)];
        for (name, len, bytes) in &lists {
            tensors.push((name, view(Dtype::F32, *len, bytes)?));
        }
        safetensors::serialize(tensors, None).map_err(|error| error.to_string())
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let list = |name: &str| {
            let tensor = file.tensor(name).ok()?;
            Some(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        };
        let sums = file.tensor("sums").map_err(|error| error.to_string())?;
        let sums: Vec<f64> = sums.data().as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let unexpected = || format!("{} sums, or their lists, are not those of this kind of run", sums.len());
        let elapsed = file.tensor(ELAPSED).ok().and_then(|tensor| tensor.data().first_chunk().copied());
        let (tally, rest) = sums.split_last_chunk::<14>().ok_or_else(unexpected)?;
        let tally = T::from_parts(tally, list).ok_or_else(unexpected)?;
        let &[last_step, steps, skipped, grad_norms, rate, seconds, spikes, step, loss, usual, rest @ ..] = rest;
        let [mean, variance, count, tokens_seen] = rest;
        Ok(Self {
            last_step: last_step as usize,
            steps: steps as usize,
            skipped: skipped as usize,
            tally,
            grad_norms,
            rate,
            seconds,
            window: None,
            spikes: spikes as usize,
            spike: (spikes > 0.0).then_some(Spike { step: step as usize, loss, usual }),
            usual: Usual { mean, variance, count },
            tokens_seen: tokens_seen as usize,
            elapsed: elapsed.map_or(0.0, f64::from_le_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Purpose, Rng};

    #[test]
    fn a_spike_is_seen_and_noise_is_not() {
        let mut usual = Usual::default();
        let mut rng = Rng::new(1, Purpose::Mask, 0, 0);
        let falling = |step: usize, noise: f32| 9.0 - step as f64 * 0.002 + 0.05 * f64::from(noise);
        let seen = (0..1000).filter(|&step| usual.add(falling(step, rng.truncated_normal()))).count();
        assert_eq!(seen, 0);
        assert!(usual.add(8.5), "{usual:?}");
        assert!(usual.add(8.5), "it has not become usual");
        assert!(!usual.add(7.0));
    }
}

//! What steps leave for the metrics, and how it comes from the device: in one transfer for any number of steps.

use super::gradients::{Squares, norms_by_block};
use super::statistics::{Statistics, StepResult};
use burn::tensor::{Bool, Device, ExecutionError, Tensor};
use burn::train::ItemLazy;
use burn::train::metric::Adaptor;
use std::sync::Arc;
use std::time::Instant;

/// What a step leaves for the metrics, with [`StepResult`] as the host's side of it: on the device until [`read_all`] or [`ItemLazy::sync`], on the host from then on.
pub struct Observation<S: Statistics> {
    /// Of several devices that share the step the number of the one that computed this share.
    pub(super) rank: usize,
    statistics: Option<S>,
    /// The loss, `[1]`.
    loss: Option<Tensor<1>>,
    /// The norm of the gradients, `[1]`, and their squared norms by parameter.
    gradients: Option<(Tensor<1>, Squares)>,
    /// Those of a good step that has been read.
    squares: Squares,
    seen: Arc<StepResult<S::Tally>>,
}

impl<S: Statistics> Observation<S> {
    /// Of a step that begins now, on device `rank` of those that share it.
    pub fn new(step: usize, rank: usize) -> Self {
        let now = Instant::now();
        let seen = StepResult { step, tally: Default::default(), grad_norm: None, bad: None, time: (now, now) };
        Self { rank, statistics: None, loss: None, gradients: None, squares: Vec::new(), seen: Arc::new(seen) }
    }

    /// Adds the statistics of a batch.
    pub fn add(&mut self, statistics: S) {
        match &mut self.statistics {
            Some(sum) => sum.merge(statistics),
            None => self.statistics = Some(statistics),
        }
    }

    /// Adds the loss of a batch, `[1]`, without autodiff.
    pub fn add_loss(&mut self, loss: Tensor<1>) {
        self.loss = Some(match self.loss.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
    }

    /// Adds the share of another device, whose numbers move to `device`.
    pub(super) fn add_share(&mut self, other: Self, device: &Device) {
        if let Some(statistics) = other.statistics {
            self.add(statistics.to_device(device));
        }
        if let Some(loss) = other.loss {
            self.add_loss(loss.to_device(device));
        }
    }

    /// Adds the norm of the gradients and their squared norms by parameter; whether it and the loss are finite, `[1]`.
    pub(super) fn add_gradients(&mut self, norm: Tensor<1>, squares: Squares) -> Tensor<1, Bool> {
        let sum = match &self.loss {
            Some(loss) => norm.clone() + loss.clone(),
            None => norm.clone(),
        };
        self.gradients = Some((norm, squares));
        sum.is_finite()
    }

    /// Whether the step was bad, as far as that has been read.
    pub fn is_skipped(&self) -> bool {
        self.seen.bad.is_some()
    }

    /// The squared norms of the gradients by parameter, still on the device, of a good step that has been read.
    pub(super) fn take_squares(&mut self) -> Squares {
        std::mem::take(&mut self.squares)
    }

    /// What is known on the host.
    pub fn seen(&self) -> &Arc<StepResult<S::Tally>> {
        &self.seen
    }
}

/// Reads what `observations` have on their device, in one transfer; another for each bad step, whose norms by block are
/// wanted too.
///
/// # Errors
/// The device's.
pub fn read_all<S: Statistics>(observations: &mut [Observation<S>]) -> Result<(), ExecutionError> {
    let mut tensors = Vec::new();
    for observation in observations.iter_mut() {
        tensors.extend(observation.statistics.as_mut().map(S::take).into_iter().flatten());
        tensors.extend(observation.loss.clone());
        tensors.extend(observation.gradients.as_ref().map(|(norm, _)| norm.clone()));
    }
    if tensors.is_empty() {
        return Ok(());
    }
    let values: Vec<f32> = Tensor::cat(tensors, 0).try_into_data()?.iter().collect();
    let mut values = values.as_slice();
    let mut take = |len: usize| {
        let (taken, rest) = values.split_at(len);
        values = rest;
        taken
    };
    let end = Instant::now();
    let begin = observations.first().map_or(end, |observation| observation.seen.time.0);
    let each = (end - begin) / observations.len().max(1) as u32;
    for (number, observation) in (0..).zip(observations.iter_mut()) {
        let seen = Arc::make_mut(&mut observation.seen);
        if let Some(statistics) = observation.statistics.take() {
            seen.tally = statistics.tally(take(statistics.count()));
        }
        let loss = observation.loss.take().map(|_| take(1)[0]);
        if let Some((_, squares)) = observation.gradients.take() {
            let norm = take(1)[0];
            seen.grad_norm = Some(f64::from(norm));
            if !norm.is_finite() || !loss.is_none_or(f32::is_finite) {
                seen.bad = Some(norms_by_block(squares)?);
            } else {
                observation.squares = squares;
            }
        }
        seen.time = (begin + each * number, begin + each * (number + 1));
    }
    Ok(())
}

impl<S: Statistics> ItemLazy for Observation<S> {
    fn sync(mut self) -> Result<Self, ExecutionError> {
        read_all(std::slice::from_mut(&mut self))?;
        Ok(self)
    }
}

impl<S: Statistics> Adaptor<Arc<StepResult<S::Tally>>> for Observation<S> {
    fn adapt(&self) -> Arc<StepResult<S::Tally>> {
        self.seen.clone()
    }
}

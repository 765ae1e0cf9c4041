//! What the Learner trains: the pair with its objective; one item is one optimizer step.

use super::gradients::{clip, norms_by_block};
use crate::config::{Config, ObjectiveConfig};
use crate::data::{Purpose, Rng, StepBatch};
use crate::device::computes_on_host;
use crate::model::ElectraPair;
use crate::objective::{self, Part, Statistics, Tally};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::Adaptor;
use burn::train::{InferenceStep, ItemLazy, Learner, TrainOutput, TrainStep};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// The pair with its objective.
#[derive(Module, Debug)]
pub struct Pretrainer {
    /// The networks.
    pub pair: ElectraPair,
    #[module(skip)]
    objective: ObjectiveConfig,
}

impl Pretrainer {
    /// Fresh weights on `device`.
    pub fn new(config: &Config, device: &Device) -> Self {
        Self::from_pair(ElectraPair::new(config, device), config)
    }

    /// Goes on from the weights of `pair`.
    pub fn from_pair(pair: ElectraPair, config: &Config) -> Self {
        Self { pair, objective: config.objective.clone() }
    }
}

impl Pretrainer {
    /// Both passes of a step; calls `done` behind each part of them.
    pub fn step_by_parts(&self, input: StepBatch, done: &mut dyn FnMut(Part)) -> TrainOutput<Observation> {
        let mut seen = Observation::new(input.step);
        let counts = input.counts();
        let mut accumulator = GradientsAccumulator::new();
        for batch in &input.batches {
            let outcome = objective::forward_by_parts(&self.pair, batch, counts, &self.objective, done);
            seen.add_loss(outcome.loss.clone().inner());
            accumulator.accumulate(self, GradientsParams::from_grads(outcome.loss.backward(), self));
            seen.add(outcome.statistics);
            done(Part::Backward);
        }
        TrainOutput { grads: accumulator.grads(), item: seen }
    }

    /// Seeds what step `step`, counted from 0, draws beside its batches: dropout, by the kernels or by `device`.
    pub fn begin_step(&self, device: &Device, seed: u64, step: usize) {
        let key = Rng::new(seed, Purpose::Device, step as u64, 0).next_u64();
        self.pair.begin_step(key);
        if !computes_on_host(device) {
            device.seed(key);
        }
    }
}

impl TrainStep for Pretrainer {
    type Input = StepBatch;
    type Output = Observation;

    fn step(&self, input: StepBatch) -> TrainOutput<Observation> {
        self.step_by_parts(input, &mut |_| ())
    }
}

impl InferenceStep for Pretrainer {
    type Input = StepBatch;
    type Output = Observation;

    fn step(&self, input: StepBatch) -> Observation {
        let mut seen = Observation::new(input.step);
        let counts = input.counts();
        for batch in &input.batches {
            seen.add(objective::forward(&self.pair, batch, counts, &self.objective).statistics);
        }
        seen
    }
}

/// What a step leaves for the metrics: on the device until [`ItemLazy::sync`], which reads it in one transfer on the
/// metrics' thread, on the host from then on.
pub struct Observation {
    statistics: Option<Statistics>,
    /// The loss, `[1]`, until the step is applied.
    loss: Option<Tensor<1>>,
    seen: Arc<Seen>,
}

/// The host's side of an [`Observation`].
#[derive(Debug, Clone)]
pub struct Seen {
    /// The step, from 1; in a validation the steps done so far.
    pub step: usize,
    /// Sums and scores.
    pub tally: Tally,
    /// Norm of all gradients together before clipping; absent in a validation.
    pub grad_norm: Option<f64>,
    /// Whether loss or gradients were not finite, so that nothing was updated.
    pub skipped: bool,
    /// When the step began and when its results had been read.
    pub time: (Instant, Instant),
}

impl Observation {
    /// Of a step that begins now.
    fn new(step: usize) -> Self {
        let now = Instant::now();
        let seen = Seen { step, tally: Tally::default(), grad_norm: None, skipped: false, time: (now, now) };
        Self { statistics: None, loss: None, seen: Arc::new(seen) }
    }

    fn add(&mut self, statistics: Statistics) {
        match &mut self.statistics {
            Some(sum) => sum.merge(statistics),
            None => self.statistics = Some(statistics),
        }
    }

    fn add_loss(&mut self, loss: Tensor<1>) {
        self.loss = Some(match self.loss.take() {
            Some(sum) => sum + loss,
            None => loss,
        });
    }
}

impl ItemLazy for Observation {
    fn sync(mut self) -> Result<Self, ExecutionError> {
        if let Some(statistics) = self.statistics.take() {
            let (tally, _) = statistics.read(None)?;
            let seen = Arc::make_mut(&mut self.seen);
            seen.tally = tally;
            seen.time.1 = Instant::now();
        }
        Ok(self)
    }
}

impl Adaptor<Arc<Seen>> for Observation {
    fn adapt(&self) -> Arc<Seen> {
        self.seen.clone()
    }
}

/// What a step has come to.
pub struct Updated {
    /// For the metrics.
    pub observation: Observation,
    /// Where loss or gradients were not finite, so that nothing was updated: the norms of the gradients by block.
    pub bad: Option<BTreeMap<String, f64>>,
}

/// One optimizer step: both passes, clipping, schedule, update.
///
/// # Errors
/// The device's.
pub fn update(
    learner: &mut Learner<Pretrainer>,
    input: StepBatch,
    max_grad_norm: f64,
) -> std::result::Result<Updated, ExecutionError> {
    let output = learner.train_step(input);
    apply(learner, output, max_grad_norm)
}

/// The second half of [`update`]: what the gradients of `output` do to the parameters. The schedule goes on in any case;
/// parameters and optimizer stay as they are where loss or gradients are not finite.
///
/// # Errors
/// The device's.
pub fn apply(
    learner: &mut Learner<Pretrainer>,
    output: TrainOutput<Observation>,
    max_grad_norm: f64,
) -> std::result::Result<Updated, ExecutionError> {
    let mut observation = output.item;
    let clipped = clip(&learner.model(), output.grads, max_grad_norm);
    learner.lr_step();
    // The only wait of a step: what comes next depends on it.
    let read = observation.loss.take().into_iter().chain([clipped.norm]).collect();
    let values: Vec<f32> = Tensor::cat(read, 0).try_into_data()?.iter::<f32>().collect();
    let skipped = values.iter().any(|value| !value.is_finite());
    let seen = Arc::make_mut(&mut observation.seen);
    seen.grad_norm = values.last().map(|&norm| f64::from(norm));
    seen.skipped = skipped;
    let bad = if skipped {
        Some(norms_by_block(clipped.squares)?)
    } else {
        learner.optimizer_step(clipped.grads);
        None
    };
    Ok(Updated { observation, bad })
}

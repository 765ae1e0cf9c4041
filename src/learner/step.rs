//! What the Learner trains: the pair with its objective; one item is one optimizer step.

use super::gradients::clip;
use super::observation::{Observation, read_all};
use crate::config::{Config, ObjectiveConfig, Precision};
use crate::data::{Purpose, Rng, StepBatch};
use crate::device::computes_on_host;
use crate::kernels::{conditionally, with_precision};
use crate::model::ElectraPair;
use crate::objective::{self, Part};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, ExecutionError};
use burn::train::{InferenceStep, Learner, TrainOutput, TrainStep};

/// The pair with its objective.
#[derive(Module, Debug)]
pub struct Pretrainer {
    /// The networks.
    pub pair: ElectraPair,
    #[module(skip)]
    objective: ObjectiveConfig,
    #[module(skip)]
    precision: Precision,
    #[module(skip)]
    loss_scale: f64,
}

impl Pretrainer {
    /// Fresh weights on `device`.
    pub fn new(config: &Config, device: &Device) -> Self {
        Self::from_pair(ElectraPair::new(config, device), config)
    }

    /// Goes on from the weights of `pair`.
    pub fn from_pair(pair: ElectraPair, config: &Config) -> Self {
        let (precision, loss_scale) = (config.training.precision, config.loss_scale());
        Self { pair, objective: config.objective.clone(), precision, loss_scale }
    }
}

impl Pretrainer {
    /// Both passes of a step; calls `done` behind each part of them.
    pub fn step_by_parts(&self, input: StepBatch, done: &mut dyn FnMut(Part)) -> TrainOutput<Observation> {
        let mut seen = Observation::new(input.step);
        let counts = input.counts();
        let mut accumulator = GradientsAccumulator::new();
        for batch in &input.batches {
            let forward = || objective::forward_by_parts(&self.pair, batch, counts, &self.objective, done);
            let outcome = with_precision(self.precision, forward);
            seen.add_loss(outcome.loss.clone().inner());
            let loss = if self.loss_scale == 1.0 { outcome.loss } else { outcome.loss * self.loss_scale };
            accumulator.accumulate(self, GradientsParams::from_grads(loss.backward(), self));
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
            let forward = || objective::forward(&self.pair, batch, counts, &self.objective);
            seen.add(with_precision(self.precision, forward).statistics);
        }
        seen
    }
}

/// One optimizer step: both passes, clipping, schedule, update.
///
/// # Errors
/// The device's.
pub fn update(
    learner: &mut Learner<Pretrainer>,
    input: StepBatch,
    max_grad_norm: f64,
) -> Result<Observation, ExecutionError> {
    let output = learner.train_step(input);
    apply(learner, output, max_grad_norm)
}

/// The second half of [`update`]: what the gradients of `output` do to the parameters. The schedule goes on in any case;
/// parameters and optimizer stay as they are where loss or gradients are not finite. On the CPU that is known at once and
/// stands in the observation; elsewhere the device decides, and the observation knows when it has been read.
///
/// # Errors
/// The device's.
pub fn apply(
    learner: &mut Learner<Pretrainer>,
    output: TrainOutput<Observation>,
    max_grad_norm: f64,
) -> Result<Observation, ExecutionError> {
    let model = learner.model();
    let mut observation = output.item;
    let clipped = clip(&model, output.grads, max_grad_norm, model.loss_scale);
    let on_host = computes_on_host(&clipped.norm.device());
    drop(model);
    learner.lr_step();
    let finite = observation.add_gradients(clipped.norm, clipped.squares);
    if on_host {
        read_all(std::slice::from_mut(&mut observation))?;
        if !observation.is_skipped() {
            learner.optimizer_step(clipped.grads);
        }
    } else {
        conditionally(finite, || learner.optimizer_step(clipped.grads));
    }
    Ok(observation)
}

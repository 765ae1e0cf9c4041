//! A step of the Learner, and the pair with its objective, the first of the things that it trains.

use super::gradients::clip;
use super::observation::{Observation, read_all};
use super::trainable::Trainable;
use crate::config::{Config, ObjectiveConfig, Precision};
use crate::data::{Batch, HostBatch, StepBatch};
use crate::device::{chosen_precision, computes_on_host};
use crate::error;
use crate::kernels::{StepContext, conditionally};
use crate::model::ElectraPair;
use crate::objective::{self, Judged, StepPart};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, ExecutionError, Tensor};
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

    /// Begins from the weights of `pair`.
    pub fn from_pair(pair: ElectraPair, config: &Config) -> Self {
        let (precision, loss_scale) = (config.training.precision, config.loss_scale());
        Self { pair, objective: config.objective.clone(), precision, loss_scale }
    }
}

impl Pretrainer {
    /// Both passes of a step; calls `done` after each part of them.
    pub fn step_by_parts(&self, input: StepBatch, done: &mut dyn FnMut(StepPart)) -> TrainOutput<Seeing> {
        let counts = input.counts;
        let forward = |batch: &Batch, context: &StepContext, done: &mut dyn FnMut(StepPart)| {
            let outcome = objective::forward_by_parts(&self.pair, batch, counts, &self.objective, context, done);
            (outcome.loss, outcome.statistics)
        };
        train_step(self, input, forward, done)
    }

    /// What both networks make of `batch`, on `device`.
    ///
    /// # Errors
    /// Those of [`objective::judge`].
    pub fn judge(&self, batch: &HostBatch, device: &Device) -> error::Result<Judged> {
        let context = StepContext::inference(chosen_precision(device, self.precision));
        objective::judge(&self.pair, batch, device, &self.objective, &context)
    }
}

/// What a step of pretraining leaves for the metrics.
type Seeing = Observation<objective::Statistics>;

impl Trainable for Pretrainer {
    type Batch = Batch;
    type Statistics = objective::Statistics;

    fn loss_scale(&self) -> f64 {
        self.loss_scale
    }

    fn precision(&self) -> Precision {
        chosen_precision(&self.devices()[0], self.precision)
    }
}

impl TrainStep for Pretrainer {
    type Input = StepBatch;
    type Output = Seeing;

    fn step(&self, input: StepBatch) -> TrainOutput<Seeing> {
        self.step_by_parts(input, &mut |_| ())
    }
}

impl InferenceStep for Pretrainer {
    type Input = StepBatch;
    type Output = Seeing;

    fn step(&self, input: StepBatch) -> Seeing {
        let counts = input.counts;
        inference_step(self, &input, |batch, context| {
            objective::forward(&self.pair, batch, counts, &self.objective, context).statistics
        })
    }
}

/// Both passes of a step over its batches. `forward` runs the first of a batch, to its loss, `[1]`, and its statistics;
/// `done` is called after each part of both.
pub fn train_step<M: Trainable>(
    model: &M,
    input: StepBatch<M::Batch>,
    mut forward: impl FnMut(&M::Batch, &StepContext, &mut dyn FnMut(StepPart)) -> (Tensor<1>, M::Statistics),
    done: &mut dyn FnMut(StepPart),
) -> TrainOutput<Observation<M::Statistics>> {
    let mut seen = Observation::new(input.step, input.rank);
    let context = StepContext::training(model.precision(), input.key);
    let mut accumulator = GradientsAccumulator::new();
    let scale = model.loss_scale();
    for batch in &input.batches {
        let (loss, statistics) = forward(batch, &context, done);
        seen.add_loss(loss.clone().inner());
        seen.add(statistics);
        let loss = if scale == 1.0 { loss } else { loss * scale };
        accumulator.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
        done(StepPart::Backward);
    }
    TrainOutput { grads: accumulator.grads(), item: seen }
}

/// The forward passes of a step over its batches.
pub fn inference_step<M: Trainable>(
    model: &M,
    input: &StepBatch<M::Batch>,
    mut forward: impl FnMut(&M::Batch, &StepContext) -> M::Statistics,
) -> Observation<M::Statistics> {
    let mut seen = Observation::new(input.step, input.rank);
    let context = StepContext::inference(model.precision());
    for batch in &input.batches {
        seen.add(forward(batch, &context));
    }
    seen
}

/// One optimizer step: both passes, clipping, schedule, update.
///
/// # Errors
/// The device's.
pub fn update<M: Trainable>(
    learner: &mut Learner<M>,
    input: StepBatch<M::Batch>,
    max_grad_norm: f64,
) -> Result<Observation<M::Statistics>, ExecutionError> {
    let device = learner.model().devices()[0].clone();
    let output = on_its_threads(&device, learner, |learner| learner.train_step(input));
    apply(learner, output, max_grad_norm)
}

/// Runs `work` on `device`: on a CPU by a thread of the pool that its kernels use, which begins their loops itself instead of
/// waking the pool and waiting for it. A thread that waits for a loop takes up other work of the pool, while Burn's backward
/// pass holds the lock of its graph: no other work there may take that lock, so several devices have threads of their own.
pub(super) fn on_its_threads<T: Send, R: Send>(
    device: &Device,
    learner: &mut T,
    work: impl FnOnce(&mut T) -> R + Send,
) -> R {
    if computes_on_host(device) { rayon::scope(|_| work(learner)) } else { work(learner) }
}

/// The second half of [`update`]: what the gradients of `output` do to the parameters. The schedule goes on in any case;
/// parameters and optimizer stay as they are where loss or gradients are not finite. On the CPU that is known at once and
/// stands in the observation; elsewhere the device decides, and the observation knows when it has been read.
///
/// # Errors
/// The device's.
pub fn apply<M: Trainable>(
    learner: &mut Learner<M>,
    output: TrainOutput<Observation<M::Statistics>>,
    max_grad_norm: f64,
) -> Result<Observation<M::Statistics>, ExecutionError> {
    let model = learner.model();
    let device = model.devices().remove(0);
    on_its_threads(&device, learner, |learner| apply_there(learner, model, output, max_grad_norm))
}

/// [`apply`], on the threads of the device where `model`, that of `learner`, lies.
fn apply_there<M: Trainable>(
    learner: &mut Learner<M>,
    model: M,
    output: TrainOutput<Observation<M::Statistics>>,
    max_grad_norm: f64,
) -> Result<Observation<M::Statistics>, ExecutionError> {
    let mut observation = output.item;
    let clipped = clip(&model, output.grads, max_grad_norm, model.loss_scale());
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

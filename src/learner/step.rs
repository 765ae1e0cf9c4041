//! What the Learner trains: the pair with its objective; one item is one optimizer step.

use crate::config::{Config, ObjectiveConfig};
use crate::data::StepBatch;
use crate::model::ElectraPair;
use crate::objective::{self, Statistics, Tally};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::Adaptor;
use burn::train::{InferenceStep, ItemLazy, Learner, TrainOutput, TrainStep};
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

impl TrainStep for Pretrainer {
    type Input = StepBatch;
    type Output = Observation;

    fn step(&self, input: StepBatch) -> TrainOutput<Observation> {
        let mut seen = Observation::new(input.step);
        let counts = input.counts();
        let mut accumulator = GradientsAccumulator::new();
        for batch in &input.batches {
            let outcome = objective::forward(&self.pair, batch, counts, &self.objective);
            accumulator.accumulate(self, GradientsParams::from_grads(outcome.loss.backward(), self));
            seen.add(outcome.statistics);
        }
        TrainOutput { grads: accumulator.grads(), item: seen }
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
    grad_norm: Option<Tensor<1>>,
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
    /// When the step began and when its results had been read.
    pub time: (Instant, Instant),
}

impl Observation {
    /// Of a step that begins now.
    fn new(step: usize) -> Self {
        let now = Instant::now();
        let seen = Seen { step, tally: Tally::default(), grad_norm: None, time: (now, now) };
        Self { statistics: None, grad_norm: None, seen: Arc::new(seen) }
    }

    fn add(&mut self, statistics: Statistics) {
        match &mut self.statistics {
            Some(sum) => sum.merge(statistics),
            None => self.statistics = Some(statistics),
        }
    }

    /// Adds the norm of the gradients, `[1]`.
    pub fn with_grad_norm(mut self, grad_norm: Tensor<1>) -> Self {
        self.grad_norm = Some(grad_norm);
        self
    }
}

impl ItemLazy for Observation {
    fn sync(mut self) -> Result<Self, ExecutionError> {
        if let Some(statistics) = self.statistics.take() {
            let (tally, extra) = statistics.read(self.grad_norm.take())?;
            let grad_norm = extra.first().map(|&norm| f64::from(norm));
            let Seen { step, time: (started, _), .. } = *self.seen;
            self.seen = Arc::new(Seen { step, tally, grad_norm, time: (started, Instant::now()) });
        }
        Ok(self)
    }
}

impl Adaptor<Arc<Seen>> for Observation {
    fn adapt(&self) -> Arc<Seen> {
        self.seen.clone()
    }
}

/// One optimizer step: both passes, clipping, schedule, update.
pub fn update(learner: &mut Learner<Pretrainer>, input: StepBatch, max_grad_norm: f64) -> Observation {
    let output = learner.train_step(input);
    let (grads, norm) = clip_to_norm(&learner.model(), output.grads, max_grad_norm);
    learner.lr_step();
    learner.optimizer_step(grads);
    output.item.with_grad_norm(norm)
}

/// Scales `grads` so that their norm, over all parameters of `module` together, is at most `max_norm`; also returns the
/// norm before, `[1]`. Burn's own clipping goes by tensor; this is `clip_by_global_norm` of the reference, with the
/// 1e-6 that PyTorch adds to the norm.
pub fn clip_to_norm<M: Module>(module: &M, mut grads: GradientsParams, max_norm: f64) -> (GradientsParams, Tensor<1>) {
    let mut sum = SquareSum { grads: &grads, sum: None };
    module.visit(&mut sum);
    let norm = match sum.sum {
        Some(sum) => sum.sqrt(),
        None => return (grads, Tensor::zeros([1], &module.devices()[0].clone().inner())),
    };
    let factor = (norm.clone() + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
    module.visit(&mut Scale { grads: &mut grads, factor });
    (grads, norm)
}

struct SquareSum<'a> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquareSum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let square = grad.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.grads.register::<D>(param.id, grad * factor);
        }
    }
}

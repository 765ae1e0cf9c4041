//! What the Learner trains: the pair with its objective; one item is one optimizer step.

use crate::config::{Config, ObjectiveConfig};
use crate::data::{Counts, StepBatch};
use crate::model::ElectraPair;
use crate::objective::{self, Statistics, Tally};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::metric::Adaptor;
use burn::train::{InferenceStep, ItemLazy, TrainOutput, TrainStep};
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
        Self { pair: ElectraPair::new(config, device), objective: config.objective.clone() }
    }
}

impl TrainStep for Pretrainer {
    type Input = StepBatch;
    type Output = Observation;

    fn step(&self, input: StepBatch) -> TrainOutput<Observation> {
        let started = Instant::now();
        let counts = input.counts();
        let mut accumulator = GradientsAccumulator::new();
        let mut statistics: Option<Statistics> = None;
        let alone = input.batches.len() == 1;
        let mut grads = GradientsParams::new();
        for batch in &input.batches {
            let outcome = objective::forward(&self.pair, batch, counts, &self.objective);
            grads = GradientsParams::from_grads(outcome.loss.backward(), self);
            if !alone {
                accumulator.accumulate(self, std::mem::take(&mut grads));
            }
            match &mut statistics {
                Some(sum) => sum.merge(outcome.statistics),
                None => statistics = Some(outcome.statistics),
            }
        }
        let grads = if alone { grads } else { accumulator.grads() };
        TrainOutput { grads, item: Observation::new(input.step, counts, started, statistics) }
    }
}

impl InferenceStep for Pretrainer {
    type Input = StepBatch;
    type Output = Observation;

    fn step(&self, input: StepBatch) -> Observation {
        let started = Instant::now();
        let counts = input.counts();
        let statistics = input
            .batches
            .iter()
            .map(|batch| objective::forward(&self.pair, batch, counts, &self.objective).statistics)
            .reduce(|mut sum, more| {
                sum.merge(more);
                sum
            });
        Observation::new(input.step, counts, started, statistics)
    }
}

/// What a step leaves for the metrics: on the device until [`ItemLazy::sync`], which reads it in one transfer on the
/// metrics' thread, on the host from then on.
pub struct Observation {
    step: usize,
    counts: Counts,
    started: Instant,
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
    /// Real tokens.
    pub tokens: usize,
    /// When the step began and when its results had been read.
    pub time: (Instant, Instant),
}

impl Observation {
    fn new(step: usize, counts: Counts, started: Instant, statistics: Option<Statistics>) -> Self {
        let seen =
            Seen { step, tally: Tally::default(), grad_norm: None, tokens: counts.tokens, time: (started, started) };
        Self { step, counts, started, statistics, grad_norm: None, seen: Arc::new(seen) }
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
            self.seen = Arc::new(Seen {
                step: self.step,
                tally,
                grad_norm: extra.first().map(|&norm| f64::from(norm)),
                tokens: self.counts.tokens,
                time: (self.started, Instant::now()),
            });
        }
        Ok(self)
    }
}

impl Adaptor<Arc<Seen>> for Observation {
    fn adapt(&self) -> Arc<Seen> {
        self.seen.clone()
    }
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

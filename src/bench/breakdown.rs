//! Where the time of a step goes.

use super::{Stream, median};
use crate::config::Config;
use crate::data::{Batch, Samples};
use crate::kernels::StepContext;
use crate::learner::{Pretrainer, Trainable, apply};
use crate::model::Inputs;
use crate::objective::StepPart;
use burn::tensor::{Device, ExecutionError, Tensor};
use burn::train::{ItemLazy, Learner};
use serde::Serialize;
use std::time::Instant;

/// Median seconds in each part of a step, the device waited for after each.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Breakdown {
    /// Masking, assembly and the way to the device. In a run another thread does the first two beforehand.
    pub data: f64,
    /// The generator with its loss, without samples.
    pub generator_forward: f64,
    /// What drawing samples adds to it.
    pub sampling: f64,
    /// Corruption, the discriminator and its loss.
    pub discriminator_forward: f64,
    /// The gradients of both.
    pub backward: f64,
    /// Norm, clipping, schedule and AdamW.
    pub optimizer: f64,
    /// Reading the statistics.
    pub metrics: f64,
}

/// Steps that are taken apart.
const STEPS: usize = 7;

impl Breakdown {
    /// The parts with their names.
    pub fn parts(&self) -> [(&'static str, f64); 7] {
        [
            ("data", self.data),
            ("generator forward", self.generator_forward),
            ("sampling", self.sampling),
            ("discriminator forward", self.discriminator_forward),
            ("backward", self.backward),
            ("optimizer", self.optimizer),
            ("metrics", self.metrics),
        ]
    }

    pub(super) fn measure(
        learner: &mut Learner<Pretrainer>,
        stream: &Stream,
        config: &Config,
        device: &Device,
        first: usize,
        steps: usize,
    ) -> Result<Self, ExecutionError> {
        let mut times: [Vec<f64>; 7] = Default::default();
        for step in first..first + STEPS.min(steps) {
            let mut clock = Clock { device, started: Instant::now(), error: None };
            let input = stream.step(step, device);
            times[0].push(clock.lap());
            let model = learner.model();
            let context = StepContext::training(model.precision(), input.key);
            let [given, drawn] = generator(&model, &input.batches[0], config, &context, &mut clock);
            let batches = input.batches.len() as f64;
            times[2].push((drawn - given).max(0.0) * batches);
            let mut laps = [0.0; 3];
            let output = model.step_by_parts(input, &mut |part| {
                laps[match part {
                    StepPart::Generator => 0,
                    StepPart::Discriminator => 1,
                    StepPart::Backward => 2,
                }] += clock.lap();
            });
            times[1].push((laps[0] - times[2].last().copied().unwrap_or(0.0)).max(0.0));
            times[3].push(laps[1]);
            times[4].push(laps[2]);
            drop(model);
            clock.lap();
            let observation = apply(learner, output, config.optimizer.max_grad_norm)?;
            times[5].push(clock.lap());
            observation.sync()?;
            times[6].push(clock.lap());
            if let Some(error) = clock.error {
                return Err(error);
            }
        }
        let [data, generator_forward, sampling, discriminator_forward, backward, optimizer, metrics] =
            times.map(|times| median(&times));
        Ok(Self { data, generator_forward, sampling, discriminator_forward, backward, optimizer, metrics })
    }
}

/// Seconds of the generator with samples that are given, and with samples that it draws.
fn generator(model: &Pretrainer, batch: &Batch, config: &Config, context: &StepContext, clock: &mut Clock) -> [f64; 2] {
    let given = Samples::Ids(Tensor::zeros(batch.picked.dims(), &batch.picked.device()));
    let original = batch.input_ids.clone().reshape([-1]);
    let targets = original.select(0, batch.picked.clone());
    // The first of the passes warms the caches for the others.
    [&given, &given, &batch.samples].map(|samples| {
        clock.lap();
        let inputs = Inputs::new(batch.masked_ids.clone(), batch.attention_mask.clone());
        let picked = (batch.picked.clone(), None);
        let words = model.pair.generate(inputs, picked, targets.clone(), samples, &config.objective, context);
        let seconds = clock.lap();
        drop(words);
        seconds
    })[1..]
        .try_into()
        .unwrap_or_default()
}

/// Seconds since the last lap, all work on the device done.
struct Clock<'a> {
    device: &'a Device,
    started: Instant,
    error: Option<ExecutionError>,
}

impl Clock<'_> {
    fn lap(&mut self) -> f64 {
        if let Err(error) = self.device.sync() {
            self.error = Some(error);
        }
        let seconds = self.started.elapsed().as_secs_f64();
        self.started = Instant::now();
        seconds
    }
}

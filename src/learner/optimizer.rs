//! AdamW with its two parameter groups, and the learning rate over time.

use super::length::Length;
use crate::config::{Config, OptimizerConfig};
use crate::kernels::AdamW;
use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::{LrScheduler, LrSchedulerRecord};

/// AdamW; weight decay spares biases and LayerNorm (`optimization.py` of the reference).
pub fn optimizer(config: &OptimizerConfig) -> ModuleOptimizer {
    let adamw = |weight_decay| AdamW::new(config.beta_1, config.beta_2, config.epsilon, weight_decay);
    // Burn calls LayerNorm's weight gamma and its bias beta. Groups go by path, since loading renews the ids.
    let spared = ParamGroup::from_any_predicates(vec!["bias", "gamma", "beta"]);
    ModuleOptimizer::from(adamw(config.weight_decay)).with_group(spared, adamw(0.0), None)
}

/// The schedule of a pretraining run of `length` after `step` steps.
pub(super) fn schedule(config: &Config, length: &Length, step: usize) -> ModuleLrScheduler {
    let base = WarmupLinear::new(config).timed(length).at(step);
    let all = ModuleLrScheduler::new(base.clone());
    match config.optimizer.generator_learning_rate {
        // The generator and its head; the embeddings belong to both.
        Some(learning_rate) => {
            let generator = base.scaled(learning_rate / config.optimizer.learning_rate);
            all.with_group(ParamGroup::from_predicate("pair.generator"), generator)
        }
        None => all,
    }
}

/// The schedule of fine-tuning: the head follows `base`, each layer the share `decay` of the rate of what is above it,
/// the embeddings below all (paper, appendix B; ULMFiT's discriminative rates). `layers` is the encoder's depth.
pub fn layerwise(base: &WarmupLinear, decay: f64, layers: usize) -> ModuleLrScheduler {
    let schedule = |depth: usize| base.clone().scaled(decay.powi((layers + 1 - depth) as i32));
    // Groups go by path; later ones win. The embeddings' projection stands below the first layer.
    let below = ModuleLrScheduler::new(base.clone())
        .with_group(ParamGroup::from_any_predicates(vec!["electra.embeddings", "embeddings_project"]), schedule(0));
    (0..layers).fold(below, |all, layer| {
        all.with_group(ParamGroup::from_predicate(format!("encoder.layers.{layer}.")), schedule(layer + 1))
    })
}

/// Linear warm-up to the peak, then linear decay to 0 at the end of the run, by its steps or by its clock.
#[derive(Debug, Clone)]
pub struct WarmupLinear {
    learning_rate: f64,
    /// Absent: [`WARMUP`] of the time.
    warmup_steps: Option<usize>,
    steps: usize,
    step: usize,
    /// Of a run whose time is limited.
    length: Option<Length>,
}

/// The share of a time budget in which the rate rises.
const WARMUP: f64 = 0.1;

/// The least share of the peak: the first step must do something, and so must one during which the time ends.
const LEAST: f64 = 0.01;

impl WarmupLinear {
    /// The schedule of a run by its steps, before the first.
    pub fn new(config: &Config) -> Self {
        let (learning_rate, steps) = (config.optimizer.learning_rate, config.training.steps);
        Self { learning_rate, warmup_steps: config.schedule.warmup_steps, steps, step: 0, length: None }
    }

    /// A schedule of its own.
    pub fn of(learning_rate: f64, warmup_steps: usize, steps: usize) -> Self {
        Self { learning_rate, warmup_steps: Some(warmup_steps), steps, step: 0, length: None }
    }

    /// The same by the clock of `length`, where that has a time budget.
    pub fn timed(self, length: &Length) -> Self {
        Self { length: length.budget.map(|_| length.clone()), ..self }
    }

    /// The same shape with a peak that is `share` as high.
    pub fn scaled(self, share: f64) -> Self {
        Self { learning_rate: self.learning_rate * share, ..self }
    }

    /// The schedule after `step` steps.
    pub fn at(self, step: usize) -> Self {
        Self { step, ..self }
    }

    /// The rate of step `step`, counted from 1.
    pub fn rate(&self, step: usize) -> f64 {
        match &self.length {
            Some(length) => self.rate_of(step, length.share(step.saturating_sub(1))),
            None => {
                let warmup_steps = self.warmup_steps.unwrap_or(1);
                let left = self.steps.saturating_add(1).saturating_sub(step) as f64;
                let decay = left / self.steps.saturating_sub(warmup_steps).max(1) as f64;
                self.learning_rate * self.warmup(step, 0.0).min(decay).min(1.0)
            }
        }
    }

    /// The rate of step `step` of a run that is done to `share`.
    fn rate_of(&self, step: usize, share: f64) -> f64 {
        let decay = (1.0 - share) / (1.0 - WARMUP);
        self.learning_rate * self.warmup(step, share).min(decay).clamp(LEAST, 1.0)
    }

    /// How far the rate has risen.
    fn warmup(&self, step: usize, share: f64) -> f64 {
        match (self.warmup_steps, &self.length) {
            (None, Some(_)) => share / WARMUP,
            (steps, _) => step as f64 / steps.unwrap_or(1).max(1) as f64,
        }
    }
}

impl LrScheduler for WarmupLinear {
    fn step(&mut self) -> f64 {
        self.step += 1;
        self.rate(self.step)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.step as u64)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar::<u64>("step") {
            self.step = step as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, UNBOUNDED, load};
    use std::time::Duration;

    #[test]
    fn the_rate_rises_and_falls_linearly() {
        let schedule = WarmupLinear::of(1.0, 10, 110);
        let rates: Vec<f64> = [1, 5, 10, 11, 61, 110].map(|step| schedule.rate(step)).into();
        assert_eq!(rates, [0.1, 0.5, 1.0, 1.0, 0.5, 0.01]);
    }

    #[test]
    fn the_rate_follows_the_clock_of_a_time_budget() {
        let config = load(&Source { set: vec!["training.time_budget=10m".into()], ..Source::default() }).unwrap();
        assert_eq!((config.training.steps, config.schedule.warmup_steps), (UNBOUNDED, None));
        let length = Length::new(&config.training, Duration::from_secs(330));
        let schedule = WarmupLinear::of(1.0, 10, 110).timed(&length);
        let thousandths = |rate: f64| (rate * 1000.0).round();
        let rates = [1, 5, 10, 1000].map(|step| thousandths(schedule.rate(step)));
        assert_eq!(rates, [100.0, 500.0, 500.0, 500.0], "0.45 of 0.9 are left");
        let schedule = WarmupLinear { warmup_steps: None, ..schedule };
        let rates = [0.0, 0.05, 0.1, 0.55, 1.0, 1.5].map(|share| thousandths(schedule.rate_of(1, share)));
        assert_eq!(rates, [10.0, 500.0, 1000.0, 500.0, 10.0, 10.0]);
    }

    #[test]
    fn a_record_continues_where_it_was_made() {
        let mut schedule = WarmupLinear::of(1.0, 10, 110);
        (0..7).for_each(|_| _ = schedule.step());
        let mut resumed = WarmupLinear { step: 0, ..schedule.clone() };
        resumed.load_record(schedule.to_record());
        assert_eq!(resumed.step(), schedule.step());
    }
}

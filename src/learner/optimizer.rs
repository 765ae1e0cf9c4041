//! AdamW with its two parameter groups, and the learning rate over time.

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

/// The schedule of a pretraining run behind `step` steps.
pub(super) fn schedule(config: &Config, step: usize) -> ModuleLrScheduler {
    let base = WarmupLinear::new(config).at(step);
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

/// Linear warm-up to the peak, then linear decay to 0 after the last step.
#[derive(Debug, Clone, PartialEq)]
pub struct WarmupLinear {
    learning_rate: f64,
    warmup_steps: usize,
    steps: usize,
    step: usize,
}

impl WarmupLinear {
    /// The schedule of a run, before its first step.
    pub fn new(config: &Config) -> Self {
        let (warmup_steps, steps) = (config.warmup_steps(), config.training.steps);
        Self { learning_rate: config.optimizer.learning_rate, warmup_steps, steps, step: 0 }
    }

    /// A schedule of its own.
    pub fn of(learning_rate: f64, warmup_steps: usize, steps: usize) -> Self {
        Self { learning_rate, warmup_steps, steps, step: 0 }
    }

    /// The same shape with a peak that is `share` as high.
    pub fn scaled(self, share: f64) -> Self {
        Self { learning_rate: self.learning_rate * share, ..self }
    }

    /// The schedule behind `step` steps.
    pub fn at(self, step: usize) -> Self {
        Self { step, ..self }
    }

    /// The rate of step `step`, counted from 1.
    pub fn rate(&self, step: usize) -> f64 {
        let warmup = step as f64 / self.warmup_steps.max(1) as f64;
        let left = (self.steps + 1).saturating_sub(step) as f64;
        let decay = left / self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        self.learning_rate * warmup.min(decay).min(1.0)
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

    #[test]
    fn the_rate_rises_and_falls_linearly() {
        let schedule = WarmupLinear { learning_rate: 1.0, warmup_steps: 10, steps: 110, step: 0 };
        let rates: Vec<f64> = [1, 5, 10, 11, 61, 110].map(|step| schedule.rate(step)).into();
        assert_eq!(rates, [0.1, 0.5, 1.0, 1.0, 0.5, 0.01]);
    }

    #[test]
    fn a_record_continues_where_it_was_made() {
        let mut schedule = WarmupLinear { learning_rate: 1.0, warmup_steps: 10, steps: 110, step: 0 };
        (0..7).for_each(|_| _ = schedule.step());
        let mut resumed = WarmupLinear { step: 0, ..schedule.clone() };
        resumed.load_record(schedule.to_record());
        assert_eq!(resumed.step(), schedule.step());
    }
}

//! The recipe where the configuration leaves it open: the paper's, appendix B, and `configure_finetuning.py` of the
//! reference.

use super::example::Example;
use super::registry::Task;
use crate::config::{FinetuneConfig, Kind, ModelConfig, Precision, TrainingConfig};
use crate::error::{Error, Result};
use crate::suggest::hint;

/// With fewer training examples a run makes more passes over them.
const FEW: usize = 8_000;

/// The configuration with what depends on model and data filled in, so that the written one is complete.
pub(super) fn resolve(
    config: &FinetuneConfig,
    task: &Task,
    model: &ModelConfig,
    trained_length: usize,
    examples: usize,
) -> Result<FinetuneConfig> {
    let mut config = config.clone();
    let longest = model.max_position_embeddings;
    if let Some(length) = config.data.max_length.filter(|&length| length > longest) {
        let message = format!("{length} is longer than the model's max_position_embeddings, {longest}");
        return Err(Error::config("data.max_length", message));
    }
    config.data.max_length = Some(max_length(&config, task.kind(), trained_length));
    config.epochs.get_or_insert(if examples < FEW { 10.0 } else { 3.0 });
    config.metric.get_or_insert_with(|| task.main_metric().to_owned());
    config.optimizer.learning_rate = Some(learning_rate(&config, model));
    config.optimizer.layerwise_decay = Some(layerwise_decay(&config, model));
    Ok(config)
}

/// Longest text in tokens; what the model was trained on bounds the usual value, not what the user asks for.
pub(super) fn max_length(config: &FinetuneConfig, kind: Kind, trained_length: usize) -> usize {
    let usual = match kind {
        Kind::QuestionAnswering => 384,
        Kind::Ranking => 256,
        _ => 128,
    };
    config.data.max_length.unwrap_or(usual.min(trained_length))
}

/// The rate by the encoder's width: 3e-4 for small, 1e-4 for base, 5e-5 for large; 5e-4 below, measured with `tiny`.
pub(super) fn learning_rate(config: &FinetuneConfig, model: &ModelConfig) -> f64 {
    config.optimizer.learning_rate.unwrap_or(match model.hidden_size {
        ..=128 => 5e-4,
        129..=256 => 3e-4,
        257..=768 => 1e-4,
        _ => 5e-5,
    })
}

/// 0.8 for encoders of up to 12 layers, 0.9 for deeper ones. Fresh weights have nothing that must be kept: 1; nor have
/// encoders narrower than `small` much, measured with `tiny` (`docs/experiments.md`).
pub(super) fn layerwise_decay(config: &FinetuneConfig, model: &ModelConfig) -> f64 {
    let usual = match model.num_hidden_layers {
        _ if config.from_scratch || model.hidden_size <= 128 => 1.0,
        ..=12 => 0.8,
        _ => 0.9,
    };
    config.optimizer.layerwise_decay.unwrap_or(usual)
}

/// The metric that says which checkpoint is the best.
pub(super) fn metric<'a>(config: &'a FinetuneConfig, task: &Task) -> &'a str {
    config.metric.as_deref().unwrap_or_else(|| task.main_metric())
}

/// Checks that the task has the metric that is asked for.
pub(super) fn check_metric(config: &FinetuneConfig, task: &Task, dev: &[Example]) -> Result<()> {
    let known = task.metric_names(dev);
    let metric = metric(config, task);
    if known.iter().any(|name| name == metric) || metric == "loss" {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(String::as_str).chain(["loss"]).collect();
    let hint = hint(metric, names.iter().copied());
    let message = format!("\"{metric}\" is none of the task's; expected one of {}{hint}", names.join(", "));
    Err(Error::config("metric", message))
}

/// Checks that no key is missing, and none is given that only another task has.
pub(super) fn check_keys(kind: Kind, config: &FinetuneConfig) -> Result<()> {
    if config.model.as_os_str().is_empty() {
        let message = format!("{} needs it; expected the directory of an encoder, --model DIR", kind.name());
        return Err(Error::config("model", message));
    }
    let given = [("candidates", config.candidates.is_some()), ("pretraining", !config.pretraining.is_empty())];
    match given.into_iter().find(|(_, given)| *given) {
        None if kind != Kind::QuestionAnswering && config.data.max_answer_length.is_some() => {
            let message = format!("{} has no such key; question-answering has it", kind.name());
            Err(Error::config("data.max_answer_length", message))
        }
        Some((key, _)) => Err(Error::config(key, format!("{} has no such key; recommendation has it", kind.name()))),
        None => Ok(()),
    }
}

/// Length and intervals of the run, a pass being `pass` steps: a validation and a checkpoint a pass, but at least every
/// 500 steps.
pub(super) fn training(config: &FinetuneConfig, metric: &str, pass: usize) -> TrainingConfig {
    let given = &config.training;
    // A number beyond all integers becomes the largest, which the check of the configuration refuses.
    let by_epochs = (config.epochs.unwrap_or(3.0) * pass as f64).round() as usize;
    let steps = given.steps.unwrap_or(by_epochs.max(1));
    let validate_every = given.validate_every.unwrap_or(pass.min(500).min(steps));
    let usual_scale = if given.precision == Precision::F16 { 1024.0 } else { 1.0 };
    TrainingConfig {
        steps,
        time_budget: None,
        accumulation: config.data.accumulation,
        log_every: given.log_every.unwrap_or((steps / 40).clamp(1, 100)),
        validate_every,
        checkpoint_every: given.checkpoint_every.unwrap_or(validate_every),
        keep_checkpoints: given.keep_checkpoints,
        keep_every: 0,
        keep_best: Some(metric.to_owned()),
        max_bad_steps: given.max_bad_steps,
        gradient_checkpointing: given.gradient_checkpointing,
        precision: given.precision,
        deterministic: given.deterministic,
        loss_scale: Some(given.loss_scale.unwrap_or(usual_scale)),
    }
}

/// The configuration with the length and intervals of its run.
pub(super) fn with_training(config: &FinetuneConfig, training: &TrainingConfig) -> FinetuneConfig {
    let mut config = config.clone();
    let t = &mut config.training;
    (t.steps, t.log_every) = (Some(training.steps), Some(training.log_every));
    t.loss_scale = training.loss_scale;
    (t.validate_every, t.checkpoint_every) = (Some(training.validate_every), Some(training.checkpoint_every));
    config
}

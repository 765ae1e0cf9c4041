//! The configuration of a run: plain data, with the names that Hugging Face and the paper use.
//!
//! A [`Config`] is made by [`load`], which layers preset < file < environment < `--set`, and is checked as a whole by
//! [`Config::validate`] before any device is touched. The resolved configuration is written into the run.

mod changes;
mod commented;
mod corpus;
mod data;
mod evaluation;
mod finetune;
mod layers;
mod logging;
mod misspelt;
mod objective;
mod precision;
mod preset;
mod reading;
mod task;
mod validate;

pub use commented::commented;
pub use corpus::{Boundary, CorpusConfig, Format, InvalidUtf8};
pub use data::{DataConfig, MaskingUnit, Packing, VALIDATION_SHARE};
pub use evaluation::EvaluationConfig;
pub use finetune::{FinetuneConfig, FinetuneOptimizerConfig, FinetuneTrainingConfig, TaskDataConfig};
pub use layers::{Source, check_kind, default_preset, is_fine_tuning, layered, load};
pub use logging::LoggingConfig;
pub use objective::{ObjectiveConfig, ObjectiveKind};
pub use precision::Precision;
pub use preset::{PRESETS, preset};
pub use reading::{Form, Reading};
pub use task::Kind;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Everything that a pretraining run depends on. A field for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of everything random: initial weights, order, masks, samples, dropout.
    pub seed: u64,
    /// The discriminator: the encoder that one keeps.
    pub model: ModelConfig,
    /// The generator, where it differs from the discriminator.
    pub generator: GeneratorConfig,
    /// The tokenizer that is trained on the corpus.
    #[serde(default)]
    pub tokenizer: TokenizerConfig,
    /// Checkpoints to begin from.
    #[serde(default)]
    pub init: InitConfig,
    /// How the files of `data.corpus` are read.
    #[serde(default)]
    pub corpus: CorpusConfig,
    /// Text, sequences and masking.
    pub data: DataConfig,
    /// Weights of the losses and the generator's sampling.
    #[serde(default)]
    pub objective: ObjectiveConfig,
    /// AdamW and clipping.
    pub optimizer: OptimizerConfig,
    /// The learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Length of the run and its intervals, in optimizer steps.
    pub training: TrainingConfig,
    /// What a validation judges beside held-out text.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// What a run writes beside its records.
    #[serde(default)]
    pub logging: LoggingConfig,
}

/// Architecture of the discriminator, in the names of Hugging Face's `ElectraConfig`. A field for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the embedding tables, which generator and discriminator share.
    pub embedding_size: usize,
    /// Width of the encoder.
    pub hidden_size: usize,
    /// Number of encoder layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
    /// Longest sequence that has position embeddings.
    #[serde(default = "default::max_position_embeddings")]
    pub max_position_embeddings: usize,
    /// Number of token types.
    #[serde(default = "default::type_vocab_size")]
    pub type_vocab_size: usize,
    /// Dropout on embeddings and on the outputs of attention and feed-forward.
    #[serde(default = "default::dropout")]
    pub hidden_dropout_prob: f64,
    /// Dropout on attention probabilities.
    #[serde(default = "default::dropout")]
    pub attention_probs_dropout_prob: f64,
    /// Epsilon of every LayerNorm.
    #[serde(default = "default::layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Standard deviation of the initial weights, cut at two deviations.
    #[serde(default = "default::initializer_range")]
    pub initializer_range: f64,
    /// Whether the generator's output layer is the word table; otherwise it has a table of its own.
    #[serde(default = "default::tie_word_embeddings", skip_serializing_if = "is_true")]
    pub tie_word_embeddings: bool,
}

fn is_true(flag: &bool) -> bool {
    *flag
}

impl ModelConfig {
    /// The same architecture without dropout, for a network that computes gradients and is not trained.
    pub fn without_dropout(&self) -> Self {
        Self { hidden_dropout_prob: 0.0, attention_probs_dropout_prob: 0.0, ..self.clone() }
    }

    /// Whether training draws masks of dropout.
    pub fn has_dropout(&self) -> bool {
        self.hidden_dropout_prob > 0.0 || self.attention_probs_dropout_prob > 0.0
    }

    /// Trained numbers of the embedding block; sizes must have been checked.
    pub fn embedding_parameters(&self) -> usize {
        (self.vocab_size + self.max_position_embeddings + self.type_vocab_size + 2) * self.embedding_size
    }

    /// Trained numbers of the layers, with the projection of the embeddings in front of them; sizes must have been checked.
    pub fn layer_parameters(&self) -> usize {
        let (h, f, e) = (self.hidden_size, self.intermediate_size, self.embedding_size);
        let project = if e == h { 0 } else { (e + 1) * h };
        let layer = 4 * (h + 1) * h + (h + 1) * f + (f + 1) * h + 4 * h;
        project + self.num_hidden_layers * layer
    }
}

/// Architecture of the generator, where it differs from [`ModelConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Width of the generator's encoder.
    pub hidden_size: usize,
    /// Number of encoder layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward block.
    pub intermediate_size: usize,
}

/// What weights training begins with: fresh ones, or checkpoints in Hugging Face's layout, whose architecture takes the
/// place of the configured one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InitConfig {
    /// An `ElectraForPreTraining` with its tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<PathBuf>,
    /// An `ElectraForMaskedLM` that shares its embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<PathBuf>,
    /// How fresh position embeddings begin.
    pub positions: PositionInit,
}

/// How fresh position embeddings begin; they are trained from there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PositionInit {
    /// As all other weights do, and as the reference has it.
    #[default]
    Random,
    /// As sines and cosines: the same distance looks alike everywhere, so that a little text is enough to learn to look at
    /// the neighbours.
    Sinusoidal,
    /// As sines and cosines in dimensions of their own. Heads of the discriminator's first layer begin by looking at the token
    /// before, at the token after, and (two of them) at the same word elsewhere, as far as there are heads; without it a short run
    /// is over before they do.
    Structured,
}

/// How the WordPiece vocabulary is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// Lower-case the text and strip accents, as BERT's uncased models do.
    pub lowercase: bool,
    /// Strip accents; absent: exactly where text is lower-cased, as BERT does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_accents: Option<bool>,
    /// Make every Chinese character a word of its own, as BERT does.
    pub chinese_characters: bool,
    /// Pairs seen less often are not merged into a token.
    pub min_frequency: u64,
    /// At most this many different characters; rarer ones become `[UNK]`. Absent: 1,000, or as many as the text has of a script
    /// with more signs, if the vocabulary has room for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_alphabet: Option<usize>,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self { lowercase: true, strip_accents: None, chinese_characters: true, min_frequency: 2, limit_alphabet: None }
    }
}

/// AdamW with decoupled weight decay and clipping by the global norm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Peak learning rate of the generator's encoder and head; absent: the same. A slower generator leaves the
    /// discriminator time to find out what gives its samples away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_learning_rate: Option<f64>,
    /// Decoupled decay, times the learning rate; none on biases and LayerNorm.
    #[serde(default = "default::weight_decay")]
    pub weight_decay: f64,
    /// Decay of the first moment.
    #[serde(default = "default::beta_1")]
    pub beta_1: f64,
    /// Decay of the second moment.
    #[serde(default = "default::beta_2")]
    pub beta_2: f64,
    /// Added to the root of the second moment.
    #[serde(default = "default::epsilon")]
    pub epsilon: f64,
    /// Gradients are scaled down to this norm, taken over all parameters together.
    #[serde(default = "default::max_grad_norm")]
    pub max_grad_norm: f64,
}

/// Linear warm-up, then linear decay to zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Steps of warm-up; absent: a tenth of the steps, at most the paper's 10,000, or of `training.time_budget`.
    pub warmup_steps: Option<usize>,
}

/// Length of the run and its intervals, in optimizer steps. A field for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Optimizer steps of the whole run; [`UNBOUNDED`] where `time_budget` alone ends it.
    #[serde(default = "default::steps", skip_serializing_if = "is_unbounded")]
    pub steps: usize,
    /// The run ends when it has trained for so long, counted from its first step and over all processes of the run, or after
    /// `steps`, if both are given and that is earlier. The learning rate follows the clock. A validation and a checkpoint come at
    /// least every tenth of the time, if that is a minute or more. Written as `30m` or `1h 30m`; `none` takes it away.
    #[serde(default, with = "duration", skip_serializing_if = "Option::is_none")]
    pub time_budget: Option<Duration>,
    /// Batches whose gradients make one step.
    #[serde(default = "default::accumulation")]
    pub accumulation: usize,
    /// Steps between two log records.
    pub log_every: usize,
    /// Steps between two validations.
    pub validate_every: usize,
    /// Steps between two checkpoints.
    pub checkpoint_every: usize,
    /// Newest checkpoints that are kept.
    #[serde(default = "default::keep_checkpoints")]
    pub keep_checkpoints: usize,
    /// Checkpoints at multiples of this many steps are kept for good; 0: none.
    #[serde(default)]
    pub keep_every: usize,
    /// A metric of the validations, by its name in `metrics.jsonl`, whose best checkpoint is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_best: Option<String>,
    /// The run stops after this many steps in a row whose loss or gradients are not finite.
    #[serde(default = "default::max_bad_steps")]
    pub max_bad_steps: usize,
    /// Recompute activations in the backward pass where that is cheap, to save memory.
    #[serde(default)]
    pub gradient_checkpointing: bool,
    /// Number format of the operands of matrix products; weights and everything else stay in single precision.
    #[serde(default)]
    pub precision: Precision,
    /// Add the gradients of the word table in a fixed order on GPUs too. Where the same kernels are chosen, a run is then the
    /// same bit for bit each time; it waits for the generator once a batch. The CPU is deterministic in any case.
    #[serde(default)]
    pub deterministic: bool,
    /// The loss is multiplied by it while gradients are computed, so that small ones survive half precision [default:
    /// 1024 with f16, otherwise 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
}

/// The word that takes an optional value away again, which a layer below or the run has.
pub const NONE: &str = "none";

/// The value of `training.steps` where no number of steps ends a run.
pub const UNBOUNDED: usize = usize::MAX;

fn is_unbounded(steps: &usize) -> bool {
    *steps == UNBOUNDED
}

/// A duration as people write it.
mod duration {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if text == super::NONE {
            return Ok(None);
        }
        let wrong = |why: String| D::Error::custom(format!("`{text}` {why}; expected one such as 90s, 30m or 1h 30m"));
        // A month is never what is meant.
        if text.contains('M') {
            return Err(wrong("has M; m stands for minutes".into()));
        }
        humantime::parse_duration(&text).map(Some).map_err(|error| wrong(format!("is no duration ({error})")))
    }
}

impl Config {
    /// Fills in what depends on other keys, so that the written configuration is complete.
    pub(crate) fn resolve(mut self) -> Self {
        let steps = self.training.steps;
        let by_steps = self.training.time_budget.is_none();
        self.optimizer.generator_learning_rate.get_or_insert(self.optimizer.learning_rate);
        // With a time budget the rate rises for a tenth of it.
        if by_steps {
            self.schedule.warmup_steps.get_or_insert_with(|| (steps / 10).clamp(1, 10_000));
        }
        self
    }

    /// What the loss is multiplied by while gradients are computed.
    pub fn loss_scale(&self) -> f64 {
        let usual = if self.training.precision == Precision::F16 { 1024.0 } else { 1.0 };
        self.training.loss_scale.unwrap_or(usual)
    }

    /// The generator's architecture in full: the discriminator's with the generator's sizes.
    pub fn generator_model(&self) -> ModelConfig {
        ModelConfig {
            hidden_size: self.generator.hidden_size,
            num_hidden_layers: self.generator.num_hidden_layers,
            num_attention_heads: self.generator.num_attention_heads,
            intermediate_size: self.generator.intermediate_size,
            ..self.model.clone()
        }
    }

    /// The configuration as the TOML text that [`load`] reads back to the same value.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration holds only what TOML can express")
    }
}

/// Defaults that all presets share; sources: `configure_pretraining.py` of the reference and the paper's table 6.
mod default {
    pub(super) fn steps() -> usize {
        super::UNBOUNDED
    }
    pub(super) fn max_position_embeddings() -> usize {
        512
    }
    pub(super) fn type_vocab_size() -> usize {
        2
    }
    pub(super) fn dropout() -> f64 {
        0.1
    }
    pub(super) fn layer_norm_eps() -> f64 {
        1e-12
    }
    pub(super) fn initializer_range() -> f64 {
        0.02
    }
    pub(super) fn tie_word_embeddings() -> bool {
        true
    }
    pub(super) fn mask_probability() -> f64 {
        0.15
    }
    pub(super) fn replace_probability() -> f64 {
        0.85
    }
    pub(super) fn validation_share() -> f64 {
        super::VALIDATION_SHARE
    }
    pub(super) fn validation_sequences() -> usize {
        256
    }
    pub(super) fn weight_decay() -> f64 {
        0.01
    }
    pub(super) fn beta_1() -> f64 {
        0.9
    }
    pub(super) fn beta_2() -> f64 {
        0.999
    }
    pub(super) fn epsilon() -> f64 {
        1e-6
    }
    pub(super) fn max_grad_norm() -> f64 {
        1.0
    }
    pub(super) fn accumulation() -> usize {
        1
    }
    pub(super) fn dev_share() -> f64 {
        0.1
    }
    pub(super) fn max_bad_steps() -> usize {
        10
    }
    pub(super) fn keep_checkpoints() -> usize {
        3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_other_keys_is_open_in_a_preset() {
        let mut config = Config::preset("tiny").unwrap();
        (config.training.steps, config.optimizer.learning_rate) = (1000, 3e-4);
        let config = config.resolve();
        assert_eq!(config.schedule.warmup_steps, Some(100));
        assert_eq!(config.optimizer.generator_learning_rate, Some(3e-4));
        config.validate().unwrap();
    }
}

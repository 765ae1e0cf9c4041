//! The configuration of a fine-tuning run.

use super::layers::{read, set};
use super::misspelt::improved;
use super::validate::Check;
use super::{Form, Kind, LoggingConfig, OptimizerConfig, Precision, Reading, ScheduleConfig, default};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use toml::Table;

/// Everything that a fine-tuning run depends on. A field for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// Seed of the head's weights, the order and dropout.
    pub seed: u64,
    /// The task, as `--task` names it.
    pub task: String,
    /// A directory in Hugging Face's layout with the encoder and its tokenizer; empty for recommendation, which has none.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub model: PathBuf,
    /// Take the encoder's size and tokenizer, but fresh weights: what pretraining is worth shows beside it.
    #[serde(default)]
    pub from_scratch: bool,
    /// Passes over the training data; absent: 3, and 10 where they are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
    /// Dropout of the encoder and the head while they are fine-tuned; absent: what the encoder's configuration has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    /// The metric that says which checkpoint is the best; absent: the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Stop after this many validations in a row that are no better than the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<usize>,
    /// Labelled text.
    pub data: TaskDataConfig,
    /// AdamW and clipping.
    pub optimizer: FinetuneOptimizerConfig,
    /// The learning rate over time; absent warm-up: a tenth of the run.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Length of the run and its intervals, in optimizer steps.
    #[serde(default)]
    pub training: FinetuneTrainingConfig,
    /// What a run writes beside its records.
    #[serde(default)]
    pub logging: LoggingConfig,
    /// Items that the discriminator reranks, of recommendation; 0: none; absent: what dev finds better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<usize>,
    /// Keys of a pretraining configuration instead of those of the recipe, of recommendation, which pretrains a pair
    /// on the items: `pretraining.model.hidden_size`, `pretraining.data.mask_probability`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub pretraining: Table,
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// Length of the run and its intervals, in optimizer steps; what is absent follows from `epochs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FinetuneTrainingConfig {
    /// Optimizer steps of the whole run, instead of `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Steps between two log records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_every: Option<usize>,
    /// Steps between two validations; absent: a pass over the data, at most 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_every: Option<usize>,
    /// Steps between two checkpoints; absent: those of validations, so that the best one can be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// Newest checkpoints that are kept beside the best.
    pub keep_checkpoints: usize,
    /// The run stops after this many steps in a row whose loss or gradients are not finite.
    pub max_bad_steps: usize,
    /// Recompute activations in the backward pass where that is cheap, to save memory.
    pub gradient_checkpointing: bool,
    /// Number format of the operands of matrix products.
    pub precision: Precision,
    /// Add the gradients of the word table in a fixed order on GPUs too.
    pub deterministic: bool,
    /// The loss is multiplied by it while gradients are computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
}

impl Default for FinetuneTrainingConfig {
    fn default() -> Self {
        Self {
            steps: None,
            log_every: None,
            validate_every: None,
            checkpoint_every: None,
            keep_checkpoints: 1,
            max_bad_steps: default::max_bad_steps(),
            gradient_checkpointing: false,
            precision: Precision::default(),
            deterministic: false,
            loss_scale: None,
        }
    }
}

/// Labelled text and how it is read. A field for each key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskDataConfig {
    /// To train on.
    pub train: PathBuf,
    /// To choose the best checkpoint by; absent: `dev_share` of `train`.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub dev: PathBuf,
    /// The share of `train` that is kept apart where there is no `dev`, the same every time: of every label alike, and what belongs
    /// together on one side.
    #[serde(default = "default::dev_share")]
    pub dev_share: f64,
    /// To judge the best checkpoint by, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Texts in a batch.
    pub batch_size: usize,
    /// Batches whose gradients make one step.
    #[serde(default = "default::accumulation")]
    pub accumulation: usize,
    /// Longest text in tokens, special ones counted; absent: the task's usual, at most what the model was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// Longest answer in tokens, of question answering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_answer_length: Option<usize>,
    /// A text may have several labels.
    #[serde(default)]
    pub multi_label: bool,
    /// Bad rows are counted and left out.
    #[serde(default)]
    pub skip_bad_rows: bool,
    /// What the files look like; absent: what their contents and names say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Form>,
    /// The columns of one text or two; absent: by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text_columns: Vec<String>,
    /// The column of labels; absent: by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The column of words, of files with a word a line; absent: the first that does not count the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word_column: Option<String>,
    /// The column of tags; absent: the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_column: Option<String>,
    /// A file with the names of labels or tags that are numbers, from 0 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
}

impl TaskDataConfig {
    /// How the files are read.
    pub fn reading(&self) -> Reading {
        Reading {
            skip_bad_rows: self.skip_bad_rows,
            multi_label: self.multi_label,
            format: self.format,
            text_columns: self.text_columns.clone(),
            label_column: self.label_column.clone(),
            word_column: self.word_column.clone(),
            tag_column: self.tag_column.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// AdamW with a rate that falls from the head to the embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneOptimizerConfig {
    /// Peak learning rate of the head; absent: by the size of the encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The rate of each layer as a share of that of the layer above; absent: by the depth of the encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layerwise_decay: Option<f64>,
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

/// `configure_finetuning.py` of the reference.
const BASE: &str = "seed = 42\n[data]\nbatch_size = 32\n[optimizer]\n";

impl FinetuneConfig {
    /// The recipe for fine-tuning the encoder at `model` on the files `train` and `dev`. Recommendation has no encoder: an empty path;
    /// with an empty path for `dev` a tenth of `train` takes its place.
    pub fn new(kind: Kind, model: impl Into<PathBuf>, train: impl Into<PathBuf>, dev: impl Into<PathBuf>) -> Self {
        let data = TaskDataConfig {
            train: train.into(),
            dev: dev.into(),
            dev_share: default::dev_share(),
            test: None,
            batch_size: 32,
            accumulation: default::accumulation(),
            max_length: None,
            max_answer_length: None,
            multi_label: false,
            skip_bad_rows: false,
            format: None,
            text_columns: Vec::new(),
            label_column: None,
            word_column: None,
            tag_column: None,
            labels: None,
        };
        let optimizer = FinetuneOptimizerConfig {
            learning_rate: None,
            layerwise_decay: None,
            weight_decay: default::weight_decay(),
            beta_1: default::beta_1(),
            beta_2: default::beta_2(),
            epsilon: default::epsilon(),
            max_grad_norm: default::max_grad_norm(),
        };
        Self {
            seed: 42,
            task: kind.name().to_owned(),
            model: model.into(),
            from_scratch: false,
            epochs: None,
            dropout: None,
            metric: None,
            early_stopping: None,
            data,
            optimizer,
            schedule: ScheduleConfig::default(),
            training: FinetuneTrainingConfig::default(),
            logging: LoggingConfig::default(),
            candidates: None,
            pretraining: Table::new(),
        }
    }

    /// Merges the recipe, the file of a run that is resumed, `flags` and `--set`, and validates the result. The flags
    /// and assignments are `key.path=value`; a message names a flag as the user wrote it.
    ///
    /// # Errors
    /// [`Error::Syntax`] for an unknown key or a wrong type; [`Error::Config`] with every impossible value.
    pub fn load(file: Option<PathBuf>, flags: &[(String, toml::Value)], assignments: &[String]) -> Result<Self> {
        let mut table: Table = match &file {
            Some(path) => read(path)?,
            None => BASE.parse().map_err(Error::internal)?,
        };
        for (key, value) in flags {
            super::layers::insert(&mut table, key, value.clone(), key)?;
        }
        for assignment in assignments {
            let name = format!("--set {assignment}");
            let (key, text) = assignment.split_once('=').ok_or_else(|| Error::Syntax {
                source_name: name.clone(),
                message: "expected key.path=value".into(),
            })?;
            set(&mut table, key.trim(), text.trim(), &name)?;
        }
        let source_name = file.map_or_else(|| "the configuration".into(), |path| path.display().to_string());
        let config = Self::deserialize(table)
            .map_err(|e| Error::Syntax { source_name, message: improved::<Self>(&e.to_string()) })?;
        config.validate()?;
        Ok(config)
    }

    /// AdamW's settings with the peak rate `learning_rate`.
    pub fn adamw(&self, learning_rate: f64) -> OptimizerConfig {
        let FinetuneOptimizerConfig { weight_decay, beta_1, beta_2, epsilon, max_grad_norm, .. } = self.optimizer;
        OptimizerConfig {
            learning_rate,
            generator_learning_rate: Some(learning_rate),
            weight_decay,
            beta_1,
            beta_2,
            epsilon,
            max_grad_norm,
        }
    }

    /// The configuration as the TOML text that [`load`](Self::load) reads back to the same value.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration holds only what TOML can express")
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] with every impossible value at once.
    pub fn validate(&self) -> Result<()> {
        let mut check = Check::default();
        check.size("data.batch_size", self.data.batch_size, 1 << 20);
        let task = self.task.parse::<Kind>();
        check.that("task", task.is_ok(), format!("\"{}\": {}", self.task, task.err().unwrap_or_default()));
        check.probability("data.dev_share", self.data.dev_share, 0.001, 0.9);
        check.size("data.accumulation", self.data.accumulation, 1 << 20);
        let longest = self.data.max_length.unwrap_or(128);
        check.that("data.max_length", longest >= 8, format!("{longest} leaves no room for a text; expected 8 or more"));
        check.positive("data.max_answer_length", self.data.max_answer_length.unwrap_or(1));
        check.positive("early_stopping", self.early_stopping.unwrap_or(1));
        check.above_zero("epochs", self.epochs.unwrap_or(1.0));
        check.probability("dropout", self.dropout.unwrap_or(0.0), 0.0, 0.99);
        let t = &self.training;
        for (key, value) in [
            ("training.steps", t.steps),
            ("training.log_every", t.log_every),
            ("training.validate_every", t.validate_every),
            ("training.checkpoint_every", t.checkpoint_every),
            ("training.keep_checkpoints", Some(t.keep_checkpoints)),
            ("training.max_bad_steps", Some(t.max_bad_steps)),
        ] {
            check.positive(key, value.unwrap_or(1));
        }
        check.above_zero("training.loss_scale", t.loss_scale.unwrap_or(1.0));
        let o = &self.optimizer;
        check.above_zero("optimizer.learning_rate", o.learning_rate.unwrap_or(1.0));
        check.probability("optimizer.layerwise_decay", o.layerwise_decay.unwrap_or(1.0), 0.01, 1.0);
        check.not_negative("optimizer.weight_decay", o.weight_decay);
        check.probability("optimizer.beta_1", o.beta_1, 0.0, 0.999_999);
        check.probability("optimizer.beta_2", o.beta_2, 0.0, 0.999_999);
        check.above_zero("optimizer.epsilon", o.epsilon);
        check.above_zero("optimizer.max_grad_norm", o.max_grad_norm);
        check.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_has_the_recipe() {
        let text = |key: &str, value: &str| (key.to_owned(), toml::Value::String(value.to_owned()));
        let flags =
            [text("task", "regression"), text("model", "m"), text("data.train", "a.tsv"), text("data.dev", "b.tsv")];
        let new = FinetuneConfig::new(Kind::Regression, "m", "a.tsv", "b.tsv");
        assert_eq!(new, FinetuneConfig::load(None, &flags, &[]).unwrap());
    }
}

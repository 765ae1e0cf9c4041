//! The configuration of the pair: preset `tiny`, with what sequences of items need instead of text.

use super::super::read::check_options;
use super::super::{Kind, recipe};
use crate::config::{Config, FinetuneConfig, TrainingConfig, layered};
use crate::error::{Error, Problem, Result};
use toml::Table;

/// What differs from `tiny`. The generator is more than a means here, so it is wider and its loss weighs more: with the
/// usual weight of 50 it learns far slower. More is masked than of text, as masked recommenders do (Sun et al.,
/// "BERT4Rec", CIKM 2019), and all of it as `[MASK]`, as in the question what comes next. That ends of sessions are
/// picked more often than other places does not help.
const RECIPE: &str = r#"
[model]
num_hidden_layers = 2
num_attention_heads = 2
hidden_dropout_prob = 0.1
attention_probs_dropout_prob = 0.1
initializer_range = 0.02

[generator]
hidden_size = 64
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 256

[init]
positions = "sinusoidal"

[data]
packing = "documents"
mask_probability = 0.3
replace_probability = 1.0
validation_sequences = 2048

[objective]
discriminator_weight = 2.0
"#;

/// Usual longest sequence: 50 items, `[CLS]` and `[SEP]`.
const MAX_LENGTH: usize = 52;

/// Usual passes over the sessions.
const EPOCHS: f64 = 50.0;

/// Usual peak learning rate.
const LEARNING_RATE: f64 = 2e-3;

/// The metric that the best checkpoint is chosen by: in a validation only next items are masked, so that this is the
/// generator's loss on what comes next. Ranking all items with both networks would take longer than training does.
const METRIC: &str = "mlm_loss";

/// The configuration with what the user has left open filled in.
///
/// # Errors
/// [`Error::Config`] for a key, and [`Error::Usage`] for an option of reading, that this task does not have.
pub(super) fn resolve(config: &FinetuneConfig) -> Result<FinetuneConfig> {
    let data = &config.data;
    let given = [
        ("model", !config.model.as_os_str().is_empty()),
        ("from_scratch", config.from_scratch),
        ("dropout", config.dropout.is_some()),
        ("data.multi_label", data.multi_label),
        ("data.max_answer_length", data.max_answer_length.is_some()),
        ("optimizer.layerwise_decay", config.optimizer.layerwise_decay.is_some()),
    ];
    if let Some((key, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(Error::config(key, "recommendation has no such key: a pair is made for the items"));
    }
    check_options(Kind::Recommendation, &data.reading())?;
    let mut config = config.clone();
    config.data.max_length.get_or_insert(MAX_LENGTH);
    config.epochs.get_or_insert(EPOCHS);
    config.metric.get_or_insert_with(|| METRIC.to_owned());
    config.optimizer.learning_rate.get_or_insert(LEARNING_RATE);
    Ok(config)
}

/// The configuration of the pair on `documents` sequences over a vocabulary of `vocab_size`.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Config`] for values that cannot be.
pub(super) fn pretraining(config: &FinetuneConfig, vocab_size: usize, documents: usize) -> Result<Config> {
    let recipe: Table = RECIPE.parse().map_err(Error::internal)?;
    let mut pair = layered("tiny", [(recipe, "the recipe")])?;
    let length = config.data.max_length.unwrap_or(MAX_LENGTH);
    pair.seed = config.seed;
    pair.model.vocab_size = vocab_size;
    pair.model.max_position_embeddings = length;
    (pair.data.batch_size, pair.data.sequence_length) = (config.data.batch_size, length);
    pair.optimizer = config.adamw(config.optimizer.learning_rate.unwrap_or(LEARNING_RATE));
    pair.schedule = config.schedule.clone();
    pair.training = training(config, documents);
    pair.logging = config.logging.clone();
    let table = Table::try_from(&pair).map_err(Error::internal)?;
    let layers = [(table, "the configuration"), (config.pretraining.clone(), "pretraining")];
    let pair = layered("tiny", layers).map_err(|error| match error {
        Error::Config(problems) => Error::Config(problems.into_iter().map(as_given).collect()),
        error => error,
    })?;
    if pair.evaluation.pairs.is_some() {
        return Err(Error::config("pretraining.evaluation.pairs", "items are no sentences; leave it out"));
    }
    if pair.model.vocab_size != vocab_size {
        return Err(Error::config("pretraining.model.vocab_size", "it is the number of items; leave it out"));
    }
    Ok(pair)
}

/// A problem under the key that the user knows.
fn as_given(problem: Problem) -> Problem {
    let key = match problem.key.as_str() {
        "training.keep_best" => "metric".to_owned(),
        key if ["model.", "generator.", "objective."].iter().any(|section| key.starts_with(section)) => {
            format!("pretraining.{key}")
        }
        key => key.to_owned(),
    };
    Problem { key, ..problem }
}

/// Length and intervals of the run: at most twenty validations, since a pass over few sessions is soon done.
fn training(config: &FinetuneConfig, documents: usize) -> TrainingConfig {
    let pass = (documents as f64 / (config.data.batch_size * config.data.accumulation) as f64).ceil() as usize;
    let metric = config.metric.as_deref().unwrap_or(METRIC);
    let mut training = recipe::training(config, metric, pass);
    if config.training.validate_every.is_none() {
        training.validate_every = pass.max(training.steps.div_ceil(20)).clamp(1, 500).min(training.steps);
        training.checkpoint_every = config.training.checkpoint_every.unwrap_or(training.validate_every);
    }
    training
}

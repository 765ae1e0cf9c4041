//! Checks that need more than one value, or more than a type; every problem is reported, by key.

use super::{Config, ModelConfig, Packing, PositionInit, TrainingConfig, UNBOUNDED};
use crate::error::{Error, Problem, Result};

impl Config {
    /// Checks the whole configuration.
    ///
    /// # Errors
    /// [`Error::Config`] with every problem found.
    pub fn validate(&self) -> Result<()> {
        let mut check = Check::default();
        let m = &self.model;
        check.model("model.", m);
        check.sizes("generator.", &self.generator_model());
        check.that(
            "model.vocab_size",
            m.vocab_size > 5,
            format!("{} leaves no room beside the five special tokens; expected more than 5", m.vocab_size),
        );
        self.check_data(&mut check);
        self.check_objective(&mut check);
        self.check_training(&mut check);
        check.finish()
    }

    fn check_data(&self, check: &mut Check) {
        let (d, m) = (&self.data, &self.model);
        check.size("data.batch_size", d.batch_size, 1 << 30);
        check.that(
            "data.batch_size",
            d.batch_size.saturating_mul(d.sequence_length) <= 1 << 30,
            format!("{} sequences of {} tokens are more than 2^30 tokens a batch", d.batch_size, d.sequence_length),
        );
        check.that(
            "data.sequence_length",
            d.sequence_length >= 3,
            format!("{} is too short for [CLS], one token and [SEP]; expected 3 or more", d.sequence_length),
        );
        check.that(
            "data.sequence_length",
            d.sequence_length <= m.max_position_embeddings,
            format!(
                "{} is longer than model.max_position_embeddings, {}",
                d.sequence_length, m.max_position_embeddings
            ),
        );
        check.probability("data.mask_probability", d.mask_probability, 0.001, 1.0);
        check.probability("data.replace_probability", d.replace_probability, 0.0, 1.0);
        check.probability("data.validation_share", d.validation_share, 0.0001, 0.5);
        check.positive("data.validation_sequences", d.validation_sequences);

        check.that(
            "data.packing",
            d.packing != Packing::Reference || m.type_vocab_size > 1,
            "reference makes pairs, whose second text needs a token type of its own; expected model.type_vocab_size 2"
                .into(),
        );
        let head = m.hidden_size / m.num_attention_heads.max(1);
        check.that(
            "init.positions",
            // A checkpoint brings its own weights.
            self.init.positions != PositionInit::Structured
                || self.init.discriminator.is_some()
                || m.embedding_size <= m.hidden_size && head >= 4,
            format!(
                "structured needs a model.hidden_size of at least model.embedding_size, {}, and 4 dimensions a head; found {} and \
                 {head}; expected such sizes, or --set init.positions=sinusoidal, or random",
                m.embedding_size, m.hidden_size
            ),
        );
    }

    fn check_objective(&self, check: &mut Check) {
        check.positive("tokenizer.limit_alphabet", self.tokenizer.limit_alphabet.unwrap_or(1));
        check.above_zero("objective.temperature", self.objective.temperature);
        check.that(
            "objective.max_logits_mib",
            (1..=1 << 20).contains(&self.objective.max_logits_mib),
            format!("expected 1 to 1048576, found {}", self.objective.max_logits_mib),
        );
        check.not_negative("objective.generator_weight", self.objective.generator_weight);
        check.not_negative("objective.discriminator_weight", self.objective.discriminator_weight);

        let o = &self.optimizer;
        check.above_zero("optimizer.learning_rate", o.learning_rate);
        check.above_zero("optimizer.generator_learning_rate", o.generator_learning_rate.unwrap_or(1.0));
        check.not_negative("optimizer.weight_decay", o.weight_decay);
        check.probability("optimizer.beta_1", o.beta_1, 0.0, 0.999_999);
        check.probability("optimizer.beta_2", o.beta_2, 0.0, 0.999_999);
        check.above_zero("optimizer.epsilon", o.epsilon);
        check.above_zero("optimizer.max_grad_norm", o.max_grad_norm);
    }

    fn check_training(&self, check: &mut Check) {
        let t = &self.training;
        check.positive("training.steps", t.steps);
        check.size("training.accumulation", t.accumulation, 1 << 20);
        check.positive("training.log_every", t.log_every);
        check.positive("training.validate_every", t.validate_every);
        check.positive("training.checkpoint_every", t.checkpoint_every);
        check.that(
            "training.steps",
            t.steps != UNBOUNDED || t.time_budget.is_some(),
            "nothing ends the run; expected a number of steps, or training.time_budget".into(),
        );
        check.windows(t.steps, t.validate_every.min(t.checkpoint_every));
        check.that(
            "training.time_budget",
            t.time_budget.is_none_or(|budget| budget.as_secs() > 0),
            "expected a second or more".into(),
        );
        check.positive("training.max_bad_steps", t.max_bad_steps);
        check.positive("training.keep_checkpoints", t.keep_checkpoints);
        check.above_zero("training.loss_scale", self.loss_scale());
        check.that(
            "training.keep_best",
            t.keep_best.as_ref().is_none_or(|name| METRICS.contains(&name.as_str())),
            format!("expected one of {}, found {}", METRICS.join(", "), t.keep_best.as_deref().unwrap_or("nothing")),
        );
        check.that(
            "training.keep_best",
            self.evaluation.pairs.is_some() || !t.keep_best.as_ref().is_some_and(|name| name.starts_with("pairs_")),
            "no pairs are judged; expected evaluation.pairs beside it".into(),
        );
        check.that(
            "evaluation.pairs",
            self.evaluation.pairs.is_none() || !self.objective.kind.predicts_words(),
            "objective.kind trains no head that judges sentences; expected electra or electra-15 beside it, or none"
                .into(),
        );
        let warmup = self.schedule.warmup_steps.unwrap_or(1);
        check.that(
            "schedule.warmup_steps",
            warmup <= t.steps,
            format!("{warmup} is more than training.steps, {}", t.steps),
        );
    }
}

impl TrainingConfig {
    /// Checks the length of a run whose length follows from its data.
    ///
    /// # Errors
    /// [`Error::Config`] for more intervals than can be kept in memory.
    pub fn check_length(&self) -> Result<()> {
        let mut check = Check::default();
        check.windows(self.steps, self.validate_every.min(self.checkpoint_every));
        check.finish()
    }
}

impl ModelConfig {
    /// Every problem of an architecture that comes from elsewhere, by the names of its keys.
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Check::default();
        check.model("", self);
        check.0
    }
}

/// Metrics of a validation that a checkpoint can be the best by.
const METRICS: [&str; 10] = [
    "mlm_loss",
    "mlm_accuracy",
    "disc_loss",
    "disc_gain",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "disc_auc",
    "pairs_discriminator",
    "pairs_generator",
];

#[derive(Default)]
pub(super) struct Check(Vec<Problem>);

impl Check {
    pub(super) fn that(&mut self, key: &str, holds: bool, message: String) {
        if !holds {
            self.0.push(Problem { key: key.to_owned(), message });
        }
    }

    pub(super) fn positive(&mut self, key: &str, value: usize) {
        self.that(key, value > 0, "expected 1 or more, found 0".into());
    }

    pub(super) fn above_zero(&mut self, key: &str, value: f64) {
        self.that(key, value > 0.0 && value.is_finite(), format!("expected a number above 0, found {value}"));
    }

    pub(super) fn not_negative(&mut self, key: &str, value: f64) {
        self.that(key, value >= 0.0 && value.is_finite(), format!("expected 0 or more, found {value}"));
    }

    pub(super) fn probability(&mut self, key: &str, value: f64, low: f64, high: f64) {
        self.that(key, (low..=high).contains(&value), format!("expected {low} to {high}, found {value}"));
    }

    pub(super) fn size(&mut self, key: &str, value: usize, most: usize) {
        self.that(key, (1..=most).contains(&value), format!("expected 1 to {most}, found {value}"));
    }

    /// Sizes of layers; the keys begin with `section`.
    fn sizes(&mut self, section: &str, m: &ModelConfig) {
        self.size(&format!("{section}hidden_size"), m.hidden_size, 1 << 16);
        self.size(&format!("{section}num_hidden_layers"), m.num_hidden_layers, 1 << 10);
        self.size(&format!("{section}num_attention_heads"), m.num_attention_heads, 1 << 16);
        self.size(&format!("{section}intermediate_size"), m.intermediate_size, 1 << 18);
        self.that(
            &format!("{section}hidden_size"),
            m.num_attention_heads == 0 || m.hidden_size.is_multiple_of(m.num_attention_heads),
            format!("{} is not divisible by {section}num_attention_heads, {}", m.hidden_size, m.num_attention_heads),
        );
    }

    /// A whole architecture; the keys begin with `section`.
    pub(super) fn model(&mut self, section: &str, m: &ModelConfig) {
        self.sizes(section, m);
        let key = |name: &str| format!("{section}{name}");
        self.size(&key("vocab_size"), m.vocab_size, 1 << 24);
        self.size(&key("embedding_size"), m.embedding_size, 1 << 16);
        self.that(
            &key("embedding_size"),
            m.embedding_size != 1,
            "1, of which LayerNorm leaves nothing; expected 2 or more".into(),
        );
        self.size(&key("max_position_embeddings"), m.max_position_embeddings, 1 << 20);
        self.size(&key("type_vocab_size"), m.type_vocab_size, 1 << 16);
        self.probability(&key("hidden_dropout_prob"), m.hidden_dropout_prob, 0.0, 0.99);
        self.probability(&key("attention_probs_dropout_prob"), m.attention_probs_dropout_prob, 0.0, 0.99);
        self.above_zero(&key("layer_norm_eps"), m.layer_norm_eps);
        self.above_zero(&key("initializer_range"), m.initializer_range);
    }

    /// That a run of `steps` does not have more intervals of `every` steps than can be kept in memory.
    pub(super) fn windows(&mut self, steps: usize, every: usize) {
        const MOST: usize = 10_000_000;
        let fits = steps == UNBOUNDED || steps / every.max(1) <= MOST;
        self.that(
            "training.steps",
            fits,
            format!("{steps} are more than {MOST} times the {every} steps between two checkpoints or validations"),
        );
    }

    pub(super) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Config(self.0)) }
    }
}

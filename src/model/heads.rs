//! The two pretraining heads, and the head for classifying sequences.

use super::Init;
use crate::config::{ModelConfig, ObjectiveConfig};
use crate::data::Samples;
use crate::kernels::{Dropout, MaskedLm, StepContext, layer_norm, linear, linear_gelu, masked_lm};
use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Int, Tensor};

/// The generator's masked-language-model head (Hugging Face: `generator_predictions` and `generator_lm_head`).
#[derive(Module, Debug)]
pub struct GeneratorHead {
    /// Dense, `hidden_size` -> `embedding_size`, then exact GELU.
    pub dense: Linear,
    /// Over `embedding_size`.
    pub layer_norm: LayerNorm,
    /// One number a word, `[vocab_size]`.
    pub bias: Param<Tensor<1>>,
    /// `[vocab_size, embedding_size]`; absent where the weight of the output layer is the word table.
    pub weight: Option<Param<Tensor<2>>>,
    #[module(skip)]
    layer_norm_eps: f64,
}

impl GeneratorHead {
    /// A head with fresh weights above a generator of architecture `config`.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.embedding_size),
            layer_norm: init.layer_norm(config.embedding_size),
            bias: init.bias(config.vocab_size),
            weight: (!config.tie_word_embeddings).then(|| init.weight(config.vocab_size, config.embedding_size)),
            layer_norm_eps: config.layer_norm_eps,
        }
    }

    /// `hidden` `[positions, hidden]`, `word_table` `[vocab_size, embedding_size]` -> logits `[positions, vocab_size]`.
    pub fn forward(&self, hidden: Tensor<2>, word_table: Tensor<2>, context: &StepContext) -> Tensor<2> {
        self.transform(hidden, context).matmul(self.output(word_table).transpose()) + self.bias.val().unsqueeze::<2>()
    }

    /// The same logits, but only what pretraining needs of them: their loss against `targets` `[positions]`, and samples.
    pub fn predict(
        &self,
        hidden: Tensor<2>,
        word_table: Tensor<2>,
        targets: Tensor<1, Int>,
        samples: &Samples,
        config: &ObjectiveConfig,
        context: &StepContext,
    ) -> MaskedLm {
        let limits = (config.temperature, config.max_logits_mib << 20);
        let output = self.output(word_table);
        masked_lm(self.transform(hidden, context), output, self.bias.val(), targets, samples, limits, context)
    }

    /// The weight of the output layer, `[vocab_size, embedding_size]`.
    fn output(&self, word_table: Tensor<2>) -> Tensor<2> {
        self.weight.as_ref().map_or(word_table, Param::val)
    }

    fn transform(&self, hidden: Tensor<2>, context: &StepContext) -> Tensor<2> {
        layer_norm(&self.layer_norm, self.layer_norm_eps, linear_gelu(&self.dense, hidden, context), context)
    }
}

/// The discriminator's head (Hugging Face: `discriminator_predictions`).
#[derive(Module, Debug)]
pub struct DiscriminatorHead {
    /// Dense, `hidden_size` -> `hidden_size`, then exact GELU.
    pub dense: Linear,
    /// Dense, `hidden_size` -> 1.
    pub dense_prediction: Linear,
}

impl DiscriminatorHead {
    /// A head with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
            dense_prediction: init.linear(config.hidden_size, 1),
        }
    }

    /// `hidden` `[batch, seq, hidden]` -> logits `[batch, seq]`, positive where a token looks replaced.
    pub fn forward(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        let [batch, seq, _] = hidden.dims();
        linear(&self.dense_prediction, linear_gelu(&self.dense, hidden, context), context).reshape([batch, seq])
    }
}

/// Classifies a sequence from its first token (Hugging Face: `ElectraClassificationHead`).
#[derive(Module, Debug)]
pub struct ClassificationHead {
    /// Dense, `hidden_size` -> `hidden_size`, then exact GELU.
    pub dense: Linear,
    /// Dense, `hidden_size` -> number of labels.
    pub out_proj: Linear,
    dropout: Dropout,
}

impl ClassificationHead {
    /// A head with fresh weights for `num_labels` classes.
    pub fn new(config: &ModelConfig, num_labels: usize, init: &mut Init) -> Self {
        Self {
            dense: init.linear(config.hidden_size, config.hidden_size),
            out_proj: init.linear(config.hidden_size, num_labels),
            dropout: Dropout::new(config.hidden_dropout_prob),
        }
    }

    /// `hidden` `[batch, seq, hidden]` -> logits `[batch, num_labels]`.
    pub fn forward(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        let [batch, _, width] = hidden.dims();
        let first = self.dropout.forward(hidden.narrow(1, 0, 1).reshape([batch, width]), context);
        let dense = self.dropout.forward(linear_gelu(&self.dense, first, context), context);
        linear(&self.out_proj, dense, context)
    }
}

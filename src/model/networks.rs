//! Single networks with embeddings of their own, field for field the classes that Hugging Face has.

use super::{ClassificationHead, DiscriminatorHead, Embeddings, Encoder, GeneratorHead, Init, Inputs};
use crate::config::ModelConfig;
use crate::kernels::{StepContext, linear, linear_gelu};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// Embeddings and encoder (Hugging Face: `ElectraModel`).
#[derive(Module, Debug)]
pub struct Electra {
    /// The embedding block.
    pub embeddings: Embeddings,
    /// The encoder above it.
    pub encoder: Encoder,
}

impl Electra {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self { embeddings: Embeddings::new(config, init), encoder: Encoder::new(config, init) }
    }

    /// The last hidden states, `[batch, seq, hidden]`.
    pub fn forward(&self, inputs: Inputs, context: &StepContext) -> Tensor<3> {
        let embeddings = self.embeddings.forward(&inputs, context);
        self.encoder.forward(embeddings, inputs.attention_mask, inputs.padding, context)
    }

    /// The last hidden state of the first token of each sequence, `[batch, 1, hidden]`, for heads that read nothing else.
    pub fn forward_first(&self, inputs: Inputs, context: &StepContext) -> Tensor<3> {
        let embeddings = self.embeddings.forward(&inputs, context);
        self.encoder.forward_first(embeddings, inputs.attention_mask, inputs.padding, context)
    }

    /// How many maps of attention a text has: one for each head of each layer.
    pub fn attention_maps(&self) -> usize {
        self.encoder.layers.iter().map(|layer| layer.attention.heads()).sum()
    }

    /// The attention weights of every layer, `[batch, heads, seq, seq]`, a row a query.
    pub fn attentions(&self, inputs: Inputs, context: &StepContext) -> Vec<Tensor<4>> {
        let embeddings = self.embeddings.forward(&inputs, context);
        self.encoder.attentions(embeddings, inputs.attention_mask, context)
    }
}

/// An encoder without a head, under the name that it has inside the others.
#[derive(Module, Debug)]
pub struct ElectraModel {
    /// The encoder.
    pub electra: Electra,
}

/// A discriminator with its pretraining head.
#[derive(Module, Debug)]
pub struct ElectraForPreTraining {
    /// The encoder that one keeps.
    pub electra: Electra,
    /// The head.
    pub discriminator_predictions: DiscriminatorHead,
}

impl ElectraForPreTraining {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self { electra: Electra::new(config, init), discriminator_predictions: DiscriminatorHead::new(config, init) }
    }

    /// Logits of the last hidden states `[batch, seq, hidden]`: `[batch, seq]`, positive where a token looks replaced.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        self.discriminator_predictions.forward(hidden, context)
    }
}

/// A masked language model whose output is tied to its word table: the generator.
#[derive(Module, Debug)]
pub struct ElectraForMaskedLm {
    /// The encoder.
    pub electra: Electra,
    /// The head.
    pub generator_predictions: GeneratorHead,
}

impl ElectraForMaskedLm {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self { electra: Electra::new(config, init), generator_predictions: GeneratorHead::new(config, init) }
    }

    /// Logits of the last hidden states `[batch, seq, hidden]`: `[batch * seq, vocab_size]`.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        let [batch, seq, width] = hidden.dims();
        let words = self.electra.embeddings.word_table();
        self.generator_predictions.forward(hidden.reshape([batch * seq, width]), words, context)
    }
}

/// One label a sequence.
#[derive(Module, Debug)]
pub struct ElectraForSequenceClassification {
    /// The encoder.
    pub electra: Electra,
    /// The head.
    pub classifier: ClassificationHead,
}

impl ElectraForSequenceClassification {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, num_labels: usize, init: &mut Init) -> Self {
        Self { electra: Electra::new(config, init), classifier: ClassificationHead::new(config, num_labels, init) }
    }

    /// Logits of the last hidden states `[batch, seq, hidden]`: `[batch, num_labels]`.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        self.classifier.forward(hidden, context)
    }
}

/// One label a token.
#[derive(Module, Debug)]
pub struct ElectraForTokenClassification {
    /// The encoder.
    pub electra: Electra,
    /// Dense, `hidden_size` -> number of labels.
    pub classifier: Linear,
}

impl ElectraForTokenClassification {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, num_labels: usize, init: &mut Init) -> Self {
        Self { electra: Electra::new(config, init), classifier: init.linear(config.hidden_size, num_labels) }
    }

    /// Logits of the last hidden states `[batch, seq, hidden]`: `[batch, seq, num_labels]`.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<3> {
        linear(&self.classifier, hidden, context)
    }
}

/// Where an answer starts and ends.
#[derive(Module, Debug)]
pub struct ElectraForQuestionAnswering {
    /// The encoder.
    pub electra: Electra,
    /// Dense, `hidden_size` -> 2.
    pub qa_outputs: Linear,
}

impl ElectraForQuestionAnswering {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self { electra: Electra::new(config, init), qa_outputs: init.linear(config.hidden_size, 2) }
    }

    /// Logits of the last hidden states `[batch, seq, hidden]`: `[batch, seq, 2]`, start and end.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<3> {
        linear(&self.qa_outputs, hidden, context)
    }
}

/// One of several choices a question; the choices are rows of the batch.
#[derive(Module, Debug)]
pub struct ElectraForMultipleChoice {
    /// The encoder.
    pub electra: Electra,
    /// Projects the first token.
    pub sequence_summary: SequenceSummary,
    /// Dense, `hidden_size` -> 1.
    pub classifier: Linear,
}

/// Projection of the first token (Hugging Face: `ElectraSequenceSummary`).
#[derive(Module, Debug)]
pub struct SequenceSummary {
    /// Dense, `hidden_size` -> `hidden_size`, then exact GELU.
    pub summary: Linear,
}

impl ElectraForMultipleChoice {
    /// A network with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            electra: Electra::new(config, init),
            sequence_summary: SequenceSummary { summary: init.linear(config.hidden_size, config.hidden_size) },
            classifier: init.linear(config.hidden_size, 1),
        }
    }

    /// Logits of the last hidden states `[choices, seq, hidden]`: `[choices, 1]`.
    pub fn logits(&self, hidden: Tensor<3>, context: &StepContext) -> Tensor<2> {
        let [choices, _, width] = hidden.dims();
        let first = hidden.narrow(1, 0, 1).reshape([choices, width]);
        linear(&self.classifier, linear_gelu(&self.sequence_summary.summary, first, context), context)
    }
}

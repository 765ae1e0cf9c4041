//! The encoder: projection from the embedding size where it differs, then post-norm transformer layers.

use super::attention::pick;
use super::packing::{Packing, numbers};
use super::{Attention, Init, Padding};
use crate::config::ModelConfig;
use crate::kernels::{AttentionMask, Dropout, StepContext, feed_forward, linear, residual_norm};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Int, Tensor};

/// What is added to the attention scores of padding, as in the reference (`modeling.py`).
const PADDING_BIAS: f64 = -10_000.0;

/// Attention and feed-forward, each with residual and LayerNorm (Hugging Face: `ElectraLayer`).
#[derive(Module, Debug)]
pub struct EncoderLayer {
    /// Self-attention.
    pub attention: Attention,
    /// Dense, `hidden_size` -> `intermediate_size`, then exact GELU.
    pub intermediate: Linear,
    /// Dense, `intermediate_size` -> `hidden_size`.
    pub output: Linear,
    /// After the residual.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    layer_norm_eps: f64,
}

impl EncoderLayer {
    fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            attention: Attention::new(config, init),
            intermediate: init.linear(config.hidden_size, config.intermediate_size),
            output: init.linear(config.intermediate_size, config.hidden_size),
            layer_norm: init.layer_norm(config.hidden_size),
            dropout: Dropout::new(config.hidden_dropout_prob),
            layer_norm_eps: config.layer_norm_eps,
        }
    }

    /// With `rows` only the tokens of these numbers come out: after attention no token looks at another.
    fn forward(
        &self,
        x: Tensor<3>,
        mask: &AttentionMask,
        rows: Option<&Tensor<1, Int>>,
        context: &StepContext,
    ) -> Tensor<3> {
        let x = self.attention.forward(x, mask, rows, context);
        let output = feed_forward(&self.intermediate, &self.output, x.clone(), context);
        residual_norm(&self.layer_norm, self.layer_norm_eps, &self.dropout, output, x, context)
    }
}

/// A network above the shared embeddings (Hugging Face: `ElectraModel` without its embeddings).
#[derive(Module, Debug)]
pub struct Encoder {
    /// Dense, `embedding_size` -> `hidden_size`; absent where they are equal.
    pub embeddings_project: Option<Linear>,
    /// The layers, first to last.
    pub layers: Vec<EncoderLayer>,
}

impl Encoder {
    /// An encoder with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let (embedding, hidden) = (config.embedding_size, config.hidden_size);
        Self {
            embeddings_project: (embedding != hidden).then(|| init.linear(embedding, hidden)),
            layers: (0..config.num_hidden_layers).map(|_| EncoderLayer::new(config, init)).collect(),
        }
    }

    /// `embeddings` `[batch, seq, embedding_size]`, `attention_mask` `[batch, seq]` with 1 for real tokens and 0 for
    /// padding, absent where nothing is padded -> `[batch, seq, hidden]`.
    pub fn forward(
        &self,
        embeddings: Tensor<3>,
        attention_mask: Option<Tensor<2>>,
        padding: Padding,
        context: &StepContext,
    ) -> Tensor<3> {
        match packed(&embeddings, attention_mask.as_ref(), padding, context) {
            Some(packing) => packing.unpack(self.layers(packing.pack(embeddings), &packing.mask(), None, context)),
            None => self.layers(embeddings, &bias(attention_mask), None, context),
        }
    }

    /// [`forward`](Self::forward), of which only the first token of each sequence is wanted: `[batch, 1, hidden]`. The
    /// last layer computes nothing else after its attention.
    pub fn forward_first(
        &self,
        embeddings: Tensor<3>,
        attention_mask: Option<Tensor<2>>,
        padding: Padding,
        context: &StepContext,
    ) -> Tensor<3> {
        let [batch, seq, _] = embeddings.dims();
        let hidden = match packed(&embeddings, attention_mask.as_ref(), padding, context) {
            Some(packing) => self.layers(packing.pack(embeddings), &packing.mask(), Some(&packing.firsts()), context),
            None => {
                let firsts = numbers((0..batch).map(|row| row * seq), &embeddings.device());
                self.layers(embeddings, &bias(attention_mask), Some(&firsts), context)
            }
        };
        hidden.swap_dims(0, 1)
    }

    /// The attention weights of every layer, `[batch, heads, seq, seq]`, a row a query: computed beside the layers, which
    /// keep none.
    pub fn attentions(
        &self,
        embeddings: Tensor<3>,
        attention_mask: Option<Tensor<2>>,
        context: &StepContext,
    ) -> Vec<Tensor<4>> {
        let mask = bias(attention_mask);
        let mut x = self.project(embeddings, context);
        let mut weights = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            weights.push(layer.attention.weights(&x, &mask, context));
            x = layer.forward(x, &mask, None, context);
        }
        weights
    }

    fn layers(
        &self,
        embeddings: Tensor<3>,
        mask: &AttentionMask,
        rows: Option<&Tensor<1, Int>>,
        context: &StepContext,
    ) -> Tensor<3> {
        let x = self.project(embeddings, context);
        let Some((last, others)) = self.layers.split_last() else { return pick(x, rows) };
        last.forward(others.iter().fold(x, |x, layer| layer.forward(x, mask, None, context)), mask, rows, context)
    }

    fn project(&self, embeddings: Tensor<3>, context: &StepContext) -> Tensor<3> {
        match &self.embeddings_project {
            Some(project) => linear(project, embeddings, context),
            None => embeddings,
        }
    }
}

/// The packing of a padded batch, where padding may be left out and can be.
fn packed(
    embeddings: &Tensor<3>,
    attention_mask: Option<&Tensor<2>>,
    padding: Padding,
    context: &StepContext,
) -> Option<Packing> {
    let skips = padding == Padding::Skip && context.is_fused();
    attention_mask.filter(|_| skips).and_then(|mask| Packing::new(embeddings, mask))
}

/// What is added to the scores of a batch that is not packed.
fn bias(attention_mask: Option<Tensor<2>>) -> AttentionMask {
    attention_mask.map_or(AttentionMask::Full, |mask| {
        let [batch, seq] = mask.dims();
        AttentionMask::Bias(((mask - 1.0) * -PADDING_BIAS).reshape([batch, 1, 1, seq]))
    })
}

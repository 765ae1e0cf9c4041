//! Multi-head self-attention with its output projection, residual and LayerNorm (post-norm, as in BERT).

use super::Init;
use crate::config::ModelConfig;
use crate::kernels::{
    AttentionMask, Dropout, StepContext, attention_weights, linear, lookup, residual_norm, self_attention,
};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Int, Tensor};

/// Self-attention (Hugging Face: `ElectraAttention`).
#[derive(Module, Debug)]
pub struct Attention {
    /// Dense, `hidden_size` -> `hidden_size`.
    pub query: Linear,
    /// Dense, `hidden_size` -> `hidden_size`.
    pub key: Linear,
    /// Dense, `hidden_size` -> `hidden_size`.
    pub value: Linear,
    /// Dense after the heads are joined, `hidden_size` -> `hidden_size`.
    pub dense: Linear,
    /// After the residual.
    pub layer_norm: LayerNorm,
    attention_dropout: Dropout,
    hidden_dropout: Dropout,
    #[module(skip)]
    num_attention_heads: usize,
    #[module(skip)]
    layer_norm_eps: f64,
}

impl Attention {
    /// A block with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let hidden = config.hidden_size;
        Self {
            query: init.linear(hidden, hidden),
            key: init.linear(hidden, hidden),
            value: init.linear(hidden, hidden),
            dense: init.linear(hidden, hidden),
            layer_norm: init.layer_norm(hidden),
            attention_dropout: Dropout::new(config.attention_probs_dropout_prob),
            hidden_dropout: Dropout::new(config.hidden_dropout_prob),
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: config.layer_norm_eps,
        }
    }

    /// Attention heads.
    pub fn heads(&self) -> usize {
        self.num_attention_heads
    }

    /// `x` `[batch, seq, hidden]` -> `[batch, seq, hidden]`, or `[1, rows, hidden]` where only the tokens `rows`,
    /// numbered through the batch, are asked for.
    pub fn forward(
        &self,
        x: Tensor<3>,
        mask: &AttentionMask,
        rows: Option<&Tensor<1, Int>>,
        context: &StepContext,
    ) -> Tensor<3> {
        let projections = [&self.query, &self.key, &self.value];
        let (heads, dropout) = (self.num_attention_heads, &self.attention_dropout);
        let attended = self_attention(projections, x.clone(), heads, mask, dropout, context);
        let output = linear(&self.dense, pick(attended, rows), context);
        let residual = pick(x, rows);
        residual_norm(&self.layer_norm, self.layer_norm_eps, &self.hidden_dropout, output, residual, context)
    }

    /// What [`forward`](Self::forward) weighs the values of `x` with, `[batch, heads, seq, seq]`, a row a query.
    pub fn weights(&self, x: &Tensor<3>, mask: &AttentionMask, context: &StepContext) -> Tensor<4> {
        let (query, key) = (linear(&self.query, x.clone(), context), linear(&self.key, x.clone(), context));
        attention_weights(query, key, self.num_attention_heads, mask, context)
    }
}

/// The tokens `rows` of `[batch, seq, hidden]`, numbered through the batch, as `[1, rows, hidden]`; all where absent.
pub(super) fn pick(x: Tensor<3>, rows: Option<&Tensor<1, Int>>) -> Tensor<3> {
    let Some(rows) = rows else { return x };
    let [batch, seq, hidden] = x.dims();
    lookup(x.reshape([batch * seq, hidden]), rows.clone(), None).unsqueeze::<3>()
}

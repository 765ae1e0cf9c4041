//! Multi-head self-attention with its output projection, residual and LayerNorm (post-norm, as in BERT).

use super::Init;
use crate::config::ModelConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, LayerNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

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
            attention_dropout: DropoutConfig::new(config.attention_probs_dropout_prob).init(),
            hidden_dropout: DropoutConfig::new(config.hidden_dropout_prob).init(),
            num_attention_heads: config.num_attention_heads,
        }
    }

    /// `x` `[batch, seq, hidden]`, `bias` `[batch, 1, 1, seq]` added to the scores -> `[batch, seq, hidden]`.
    pub fn forward(&self, x: Tensor<3>, bias: Option<Tensor<4>>) -> Tensor<3> {
        let [batch, seq, hidden] = x.dims();
        let width = hidden / self.num_attention_heads;
        let heads = |x: Tensor<3>| x.reshape([batch, seq, self.num_attention_heads, width]).swap_dims(1, 2);

        // Scaling the query touches `width / seq` of the numbers that scaling the scores would.
        let query = heads(self.query.forward(x.clone()) * (width as f64).powf(-0.5));
        let key = heads(self.key.forward(x.clone()));
        let value = heads(self.value.forward(x.clone()));

        let scores = query.matmul(key.transpose());
        let scores = match bias {
            Some(bias) => scores + bias,
            None => scores,
        };
        let probabilities = self.attention_dropout.forward(softmax(scores, 3));
        let context = probabilities.matmul(value).swap_dims(1, 2).reshape([batch, seq, hidden]);
        let output = self.hidden_dropout.forward(self.dense.forward(context));
        self.layer_norm.forward(x + output)
    }
}

//! The embedding block that generator and discriminator share: three tables, LayerNorm, dropout.

use super::{Init, Inputs};
use crate::config::ModelConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, LayerNorm};
use burn::tensor::Tensor;

/// Word, position and token-type embeddings (Hugging Face: `ElectraEmbeddings`).
#[derive(Module, Debug)]
pub struct Embeddings {
    /// `[vocab_size, embedding_size]`
    pub word_embeddings: Embedding,
    /// `[max_position_embeddings, embedding_size]`
    pub position_embeddings: Embedding,
    /// `[type_vocab_size, embedding_size]`
    pub token_type_embeddings: Embedding,
    /// Over `embedding_size`.
    pub layer_norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    /// A block with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            word_embeddings: init.embedding(config.vocab_size, config.embedding_size),
            position_embeddings: init.embedding(config.max_position_embeddings, config.embedding_size),
            token_type_embeddings: init.embedding(config.type_vocab_size, config.embedding_size),
            layer_norm: init.layer_norm(config.embedding_size),
            dropout: DropoutConfig::new(config.hidden_dropout_prob).init(),
        }
    }

    /// `[batch, seq, embedding_size]`. Padding adds nothing to the gradient of the word table, as in Hugging Face.
    ///
    /// Ids must be below `vocab_size` and `type_vocab_size`, and `seq` at most `max_position_embeddings`.
    pub fn forward(&self, inputs: &Inputs) -> Tensor<3> {
        let [batch, seq] = inputs.input_ids.dims();
        let words = self.word_embeddings.forward(inputs.input_ids.clone());
        let words = match &inputs.attention_mask {
            Some(mask) => {
                let [_, _, width] = words.dims();
                let padding = mask.clone().equal_elem(0.0).unsqueeze_dim::<3>(2).expand([batch, seq, width]);
                words.clone().mask_where(padding, words.detach())
            }
            None => words,
        };
        // One row of positions for the whole batch: its gradient is a plain sum. The same for a single token type.
        let positions = self.position_embeddings.weight.val().narrow(0, 0, seq).unsqueeze::<3>();
        let token_types = match &inputs.token_type_ids {
            Some(ids) => self.token_type_embeddings.forward(ids.clone()),
            None => self.token_type_embeddings.weight.val().narrow(0, 0, 1).unsqueeze::<3>(),
        };
        self.dropout.forward(self.layer_norm.forward(words + (positions + token_types)))
    }

    /// The word table, `[vocab_size, embedding_size]`: the generator's output layer is tied to it.
    pub fn word_table(&self) -> Tensor<2> {
        self.word_embeddings.weight.val()
    }
}

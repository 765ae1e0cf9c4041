//! The embedding block that generator and discriminator share: three tables, LayerNorm, dropout.

use super::Init;
use crate::config::ModelConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, LayerNorm};
use burn::tensor::{Int, Tensor};

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

    /// `input_ids` `[batch, seq]`, `token_type_ids` `[batch, seq]`, all 0 where absent ->
    /// `[batch, seq, embedding_size]`.
    ///
    /// Ids must be below `vocab_size` and `type_vocab_size`, and `seq` at most `max_position_embeddings`.
    pub fn forward(&self, input_ids: Tensor<2, Int>, token_type_ids: Option<Tensor<2, Int>>) -> Tensor<3> {
        let [_, seq] = input_ids.dims();
        let words = self.word_embeddings.forward(input_ids);
        // One row of positions for the whole batch: its gradient is a plain sum. The same for a single token type.
        let positions = self.position_embeddings.weight.val().narrow(0, 0, seq).unsqueeze::<3>();
        let token_types = match token_type_ids {
            Some(ids) => self.token_type_embeddings.forward(ids),
            None => self.token_type_embeddings.weight.val().narrow(0, 0, 1).unsqueeze::<3>(),
        };
        self.dropout.forward(self.layer_norm.forward(words + (positions + token_types)))
    }

    /// The word table, `[vocab_size, embedding_size]`: the generator's output layer is tied to it.
    pub fn word_table(&self) -> Tensor<2> {
        self.word_embeddings.weight.val()
    }
}

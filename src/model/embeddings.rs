//! The embedding block that generator and discriminator share: three tables, LayerNorm, dropout.

use super::{Init, Inputs};
use crate::config::ModelConfig;
use crate::kernels::{Dropout, StepContext, Tables, embed, embed_words};
use burn::module::Module;
use burn::nn::{Embedding, LayerNorm};
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
    #[module(skip)]
    layer_norm_eps: f64,
}

impl Embeddings {
    /// A block with fresh weights.
    pub fn new(config: &ModelConfig, init: &mut Init) -> Self {
        Self {
            word_embeddings: init.embedding(config.vocab_size, config.embedding_size),
            position_embeddings: init.positions(config.max_position_embeddings, config.embedding_size),
            token_type_embeddings: init.embedding(config.type_vocab_size, config.embedding_size),
            layer_norm: init.layer_norm(config.embedding_size),
            dropout: Dropout::new(config.hidden_dropout_prob),
            layer_norm_eps: config.layer_norm_eps,
        }
    }

    /// `[batch, seq, embedding_size]`. Padding adds nothing to the gradient of the word table, as in Hugging Face.
    ///
    /// Ids must be below `vocab_size` and `type_vocab_size`, and `seq` at most `max_position_embeddings`.
    pub fn forward(&self, inputs: &Inputs, context: &StepContext) -> Tensor<3> {
        let tables = Tables {
            words: &self.word_embeddings,
            positions: &self.position_embeddings,
            token_types: &self.token_type_embeddings,
            layer_norm: &self.layer_norm,
            layer_norm_eps: self.layer_norm_eps,
        };
        let Inputs { input_ids, token_type_ids, attention_mask, words, order, .. } = inputs;
        match words {
            Some(words) => embed_words(tables, &self.dropout, words.clone(), token_type_ids.as_ref(), context),
            None => {
                let (types, mask) = (token_type_ids.as_ref(), attention_mask.as_ref());
                embed(tables, &self.dropout, input_ids, types, mask, order.as_ref(), context)
            }
        }
    }

    /// The word table, `[vocab_size, embedding_size]`: the generator's output layer is tied to it.
    pub fn word_table(&self) -> Tensor<2> {
        self.word_embeddings.weight.val()
    }
}

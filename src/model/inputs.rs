//! What a network reads.

use crate::data::SumOrder;
use burn::tensor::{Int, Tensor};

/// How the hidden states at padding are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Padding {
    /// Nothing reads them. Where the kernels can leave them out they cost nothing and are zeros.
    #[default]
    Skip,
    /// They are computed, as Hugging Face does.
    Compute,
}

/// What a network reads.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[batch, seq]`
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq]`, all 0 where absent.
    pub token_type_ids: Option<Tensor<2, Int>>,
    /// `[batch, seq]`, 1 for real tokens and 0 for padding; absent where nothing is padded.
    pub attention_mask: Option<Tensor<2>>,
    /// Of the hidden states at padding.
    pub padding: Padding,
    /// Word embeddings in place of those of `input_ids`, `[batch, seq, embedding_size]`, for whoever asks for their
    /// gradients; absent in training.
    pub words: Option<Tensor<3>>,
    /// In which order the gradients of the rows of `input_ids` are added, where [`wants_order`](crate::data::wants_order)
    /// says so.
    pub order: Option<SumOrder>,
}

impl Inputs {
    /// Ids of token type 0, without what networks compute at padding.
    pub fn new(input_ids: Tensor<2, Int>, attention_mask: Option<Tensor<2>>) -> Self {
        Self { input_ids, token_type_ids: None, attention_mask, padding: Padding::Skip, words: None, order: None }
    }
}

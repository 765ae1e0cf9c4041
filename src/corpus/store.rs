//! The token store: the ids of all documents in one stream.

use crate::error::Result;
use crate::tokenizer::Tokenizer;
use std::ops::Range;

/// Which documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Those that are trained on.
    Train,
    /// Those that are held out.
    Valid,
}

/// The ids of a corpus, without special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenStore {
    tokens: Vec<u32>,
    /// Documents and tokens before the held-out part.
    train: (usize, usize),
    documents: usize,
}

impl TokenStore {
    /// Tokenizes `documents` on all cores; the last `validation_share` of them, at least one, are held out.
    pub fn build(documents: &[String], tokenizer: &Tokenizer, validation_share: f64) -> Result<Self> {
        let held_out = ((documents.len() as f64 * validation_share) as usize).max(1);
        let train_documents = documents.len().saturating_sub(held_out);
        let mut tokens = Vec::new();
        tokenizer.encode_into(&documents[..train_documents], &mut tokens)?;
        let train = (train_documents, tokens.len());
        tokenizer.encode_into(&documents[train_documents..], &mut tokens)?;
        Ok(Self { tokens, train, documents: documents.len() })
    }

    /// All ids.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The tokens of a split, as a range of [`tokens`](Self::tokens).
    pub fn range(&self, split: Split) -> Range<usize> {
        match split {
            Split::Train => 0..self.train.1,
            Split::Valid => self.train.1..self.tokens.len(),
        }
    }

    /// Number of documents of a split.
    pub fn documents(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train.0,
            Split::Valid => self.documents - self.train.0,
        }
    }
}

//! Packed sequences: windows of the token stream between `[CLS]` and `[SEP]`, so that no position is padding.

use crate::corpus::TokenStore;
use crate::tokenizer::SpecialTokens;
use std::ops::Range;
use std::sync::Arc;

/// The sequences of one split of a store.
#[derive(Debug, Clone)]
pub struct Sequences {
    store: Arc<TokenStore>,
    tokens: Range<usize>,
    length: usize,
    special: SpecialTokens,
}

impl Sequences {
    /// Sequences of `length` tokens, `[CLS]` and `[SEP]` counted, over the range `tokens` of `store`.
    pub fn new(store: Arc<TokenStore>, tokens: Range<usize>, length: usize, special: SpecialTokens) -> Self {
        Self { store, tokens, length, special }
    }

    /// Number of whole sequences; what is left at the end of the range is too short for one and left out.
    pub fn len(&self) -> usize {
        self.tokens.len() / (self.length - 2)
    }

    /// Whether the range is shorter than one sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps at most the first `count` sequences.
    pub fn take(mut self, count: usize) -> Self {
        let end = self.tokens.start + count.min(self.len()) * (self.length - 2);
        self.tokens.end = end;
        self
    }

    /// Sequence `index`, `length` ids.
    pub fn get(&self, index: usize) -> Vec<u32> {
        let width = self.length - 2;
        let start = self.tokens.start + index * width;
        let mut ids = Vec::with_capacity(self.length);
        ids.push(self.special.cls);
        self.store.read(start..start + width, &mut ids);
        ids.push(self.special.sep);
        ids
    }
}

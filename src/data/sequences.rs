//! From documents to sequences: windows of tokens between `[CLS]` and `[SEP]`, by index, without a list of them.

use super::rng::{Purpose, Rng};
use crate::config::{Config, Packing};
use crate::corpus::{Split, TokenStore};
use crate::tokenizer::TokenKinds;
use std::ops::Range;
use std::sync::Arc;

/// A sequence with its special tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its ids.
    pub ids: Vec<u32>,
    /// Where token type 1 begins; the length where there is one segment.
    pub second: usize,
}

impl From<Vec<u32>> for Row {
    fn from(ids: Vec<u32>) -> Self {
        Self { second: ids.len(), ids }
    }
}

/// The sequences of one split of a store.
#[derive(Debug, Clone)]
pub struct Sequences {
    store: Arc<TokenStore>,
    tokens: Range<usize>,
    documents: Range<usize>,
    packing: Packing,
    length: usize,
    kinds: TokenKinds,
    seed: u64,
    /// Sequences before each block of documents, and all of them; empty where documents do not matter.
    before: Arc<[usize]>,
    len: usize,
}

/// Documents whose sequences are counted together: enough that the counts are small beside the store.
const BLOCK: usize = 1024;

/// The reference's share of examples with one segment, and of those with a random shorter target.
const SINGLE: f32 = 0.1;
const SHORT: f32 = 0.05;

impl Sequences {
    /// Sequences of up to `data.sequence_length` tokens over `split`.
    pub fn new(store: Arc<TokenStore>, split: Split, config: &Config, kinds: TokenKinds) -> Self {
        let (packing, length, seed) = (config.data.packing, config.data.sequence_length, config.seed);
        let (tokens, documents) = (store.range(split), store.document_range(split));
        let mut sequences = Self { store, tokens, documents, packing, length, kinds, seed, before: [].into(), len: 0 };
        if packing == Packing::Packed {
            sequences.len = sequences.tokens.len().div_ceil(sequences.width());
        } else {
            sequences.count();
        }
        sequences
    }

    fn count(&mut self) {
        let (mut before, mut total) = (Vec::new(), 0);
        for (at, document) in self.documents.clone().enumerate() {
            if at.is_multiple_of(BLOCK) {
                before.push(total);
            }
            total += self.windows(document);
        }
        (self.before, self.len) = (before.into(), total);
    }

    /// Tokens of a window: the sequence without its special tokens.
    fn width(&self) -> usize {
        let special = if self.packing == Packing::Reference { 3 } else { 2 };
        self.length.saturating_sub(special).max(1)
    }

    fn windows(&self, document: usize) -> usize {
        self.store.document(document).len().div_ceil(self.width())
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keeps at most the first `count` sequences.
    pub fn take(mut self, count: usize) -> Self {
        self.len = self.len.min(count);
        self
    }

    /// Sequence `index` of pass `epoch`, which only the reference's examples depend on.
    ///
    /// # Panics
    /// Where the store was changed since it was opened. Batches are made on threads of their own, and a run ends with the message
    /// of a panic on any thread.
    pub fn get(&self, index: usize, epoch: usize) -> Row {
        let mut ids = Vec::with_capacity(self.length);
        ids.push(self.kinds.special.cls);
        self.store.read(self.window(index), &mut ids).unwrap_or_else(|error| panic!("{error}"));
        if self.packing == Packing::Reference {
            return self.example(ids, &mut Rng::new(self.seed, Purpose::Segments, epoch as u64, index as u64));
        }
        ids.push(self.kinds.special.sep);
        ids.into()
    }

    /// The tokens of sequence `index`.
    fn window(&self, index: usize) -> Range<usize> {
        let width = self.width();
        let (all, window) = if self.packing == Packing::Packed {
            (self.tokens.clone(), index)
        } else {
            let block = self.before.partition_point(|&before| before <= index).saturating_sub(1);
            let mut document = self.documents.start + block * BLOCK;
            let mut window = index - self.before[block];
            while window >= self.windows(document) {
                window -= self.windows(document);
                document += 1;
            }
            (self.store.document(document), window)
        };
        let start = all.start + window * width;
        start..all.end.min(start + width)
    }

    /// Makes `[CLS]` and a window into an example of the reference.
    fn example(&self, mut ids: Vec<u32>, rng: &mut Rng) -> Row {
        let special = self.kinds.special;
        if rng.uniform() < SHORT && self.length > 5 {
            let target = 5 + rng.below(self.length - 4);
            let (found, wanted) = (ids.len() - 1, target - 3);
            if found > wanted {
                let start = 1 + rng.below(found - wanted + 1);
                ids.drain(start + wanted..);
                ids.drain(1..start);
            }
        }
        let single = rng.uniform() < SINGLE;
        if single || ids.len() < 3 {
            ids.push(special.sep);
            return ids.into();
        }
        let cut = self.boundary(&ids);
        ids.insert(cut, special.sep);
        ids.push(special.sep);
        Row { ids, second: cut + 1 }
    }

    /// Where the second segment begins: after the end of a sentence, otherwise before a word, nearest to the middle.
    fn boundary(&self, ids: &[u32]) -> usize {
        let half = ids.len() / 2;
        let nearest = |fits: &dyn Fn(usize) -> bool| {
            (2..ids.len()).filter(|&at| fits(at)).min_by_key(|&at| (at.abs_diff(half), at))
        };
        let continues = |at: usize| self.kinds.continues.get(ids[at] as usize).copied().unwrap_or(false);
        nearest(&|at| self.kinds.sentence_ends.contains(&ids[at - 1]))
            .or_else(|| nearest(&|at| !continues(at)))
            .unwrap_or(half.max(2))
    }
}

#[cfg(test)]
mod tests;

//! How documents and tokens are numbered where some are held out: those that are trained on first.

use super::manifest::{HeldOut, sha256};
use super::shard::Shard;
use crate::error::{Error, Result};
use crate::files;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// The file of a store that lists its held-out documents: their numbers in the shards as u64, little endian, ascending.
pub(super) const FILE: &str = "held-out.bin";

/// The contents of the list of `documents`.
pub(super) fn list(documents: &[u64]) -> Vec<u8> {
    documents.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A held-out document in the shards.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Its number.
    document: usize,
    /// Its first token.
    token: usize,
    /// Tokens of the held-out documents before it.
    before: usize,
}

/// The shards of a store, end to end, and which of their documents are held out.
#[derive(Debug)]
pub(super) struct Layout {
    shards: Vec<Shard>,
    /// First token and first document of each shard, and the totals after the last.
    starts: Vec<(usize, usize)>,
    held: Vec<Held>,
    /// Tokens of all held-out documents.
    held_tokens: usize,
}

impl Layout {
    /// The layout of `shards` below `directory`, with the held-out documents that its list names.
    ///
    /// # Errors
    /// [`Error::Input`] for a list that is not the one of the manifest.
    pub(super) fn open(directory: &Path, shards: Vec<Shard>, held_out: &HeldOut) -> Result<Self> {
        let mut layout = Self::new(shards);
        let path = directory.join(FILE);
        let wrong = |message: &str| Error::input(&path, format!("{message}; the store is damaged, build it again"));
        // More than there are documents would not fit the manifest, whatever it says.
        let most = 8 * layout.documents() as u64;
        let bytes = files::read(&path, most).map_err(|error| wrong(&error.to_string()))?;
        if sha256(&bytes) != held_out.sha256 {
            return Err(wrong("its sha256 is not the one that the manifest names"));
        }
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let ascending = numbers.is_sorted_by(|one, other| one < other);
        let inside = numbers.last().is_none_or(|&last| last < layout.documents() as u64);
        if !(rest.is_empty() && ascending && inside) {
            return Err(wrong("it is no ascending list of the store's documents"));
        }
        layout.hold_out(&numbers);
        if (layout.held.len(), layout.held_tokens) != (held_out.documents, held_out.tokens) {
            return Err(wrong("its counts are not those of the manifest"));
        }
        Ok(layout)
    }

    /// `shards`, with nothing held out.
    pub(super) fn new(shards: Vec<Shard>) -> Self {
        let mut starts = vec![(0, 0)];
        let (mut tokens, mut documents) = (0, 0);
        for shard in &shards {
            tokens += shard.len();
            documents += shard.documents();
            starts.push((tokens, documents));
        }
        Self { shards, starts, held: Vec::new(), held_tokens: 0 }
    }

    /// A hash of each document's tokens: of what the networks see of it.
    ///
    /// # Errors
    /// Those of [`Shard::read`].
    pub(super) fn hashes(&self) -> Result<Vec<u64>> {
        let mut ids = Vec::new();
        let hash = |document: usize| {
            ids.clear();
            self.read_shards(self.start_in_shards(document), self.start_in_shards(document + 1), &mut ids)?;
            let mut hash = Xxh3::new();
            ids.iter().for_each(|id| hash.update(&id.to_le_bytes()));
            Ok(hash.digest())
        };
        (0..self.documents()).map(hash).collect()
    }

    /// Holds out `documents`, which are ascending and in the shards.
    pub(super) fn hold_out(&mut self, documents: &[u64]) {
        self.held_tokens = 0;
        self.held = Vec::with_capacity(documents.len());
        for &document in documents {
            let document = document as usize;
            let (token, end) = (self.start_in_shards(document), self.start_in_shards(document + 1));
            self.held.push(Held { document, token, before: self.held_tokens });
            self.held_tokens += end - token;
        }
    }

    /// The shards.
    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Tokens of all documents.
    pub(super) fn tokens(&self) -> usize {
        self.starts.last().map_or(0, |&(tokens, _)| tokens)
    }

    /// Number of documents.
    pub(super) fn documents(&self) -> usize {
        self.starts.last().map_or(0, |&(_, documents)| documents)
    }

    /// Tokens of the held-out documents.
    pub(super) fn held_tokens(&self) -> usize {
        self.held_tokens
    }

    /// Held-out tokens before the held-out document `index`; for their number, all of them.
    fn held_before(&self, index: usize) -> usize {
        self.held.get(index).map_or(self.held_tokens, |held| held.before)
    }

    /// Where a document begins: those that are trained on come first. For the number of documents, where the last one ends.
    pub(super) fn document_start(&self, index: usize) -> usize {
        let trained = self.documents() - self.held.len();
        if index >= trained {
            return self.tokens() - self.held_tokens + self.held_before(index - trained);
        }
        let before = self.partition(|at, held| held.document - at <= index);
        self.start_in_shards(index + before) - self.held_before(before)
    }

    /// How many of the held-out documents, with their places among them, come before whatever `is_before` knows.
    fn partition(&self, is_before: impl Fn(usize, &Held) -> bool) -> usize {
        let (mut low, mut high) = (0, self.held.len());
        while low < high {
            let middle = low.midpoint(high);
            match is_before(middle, &self.held[middle]) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Where a document of the shards begins there.
    fn start_in_shards(&self, document: usize) -> usize {
        let shard = self.starts.partition_point(|&(_, documents)| documents <= document) - 1;
        let (tokens, documents) = self.starts[shard];
        // After the last document there is no shard, and `starts` has the total.
        self.shards.get(shard).map_or(tokens, |shard| tokens + shard.offset(document - documents))
    }

    /// Appends the ids of the tokens `start..end`, numbered as documents are.
    ///
    /// # Errors
    /// Those of [`Shard::read`].
    pub(super) fn read(&self, start: usize, end: usize, into: &mut Vec<u32>) -> Result<()> {
        let trained = self.tokens() - self.held_tokens;
        let mut at = start;
        while at < end.min(trained) {
            let before = self.partition(|_, held| held.token - held.before <= at);
            let next = self.held.get(before).map_or(trained, |held| held.token - held.before);
            let stop = next.min(end);
            let skipped = self.held_before(before);
            self.read_shards(at + skipped, stop + skipped, into)?;
            at = stop;
        }
        while at < end {
            let held = self.held.partition_point(|held| held.before <= at - trained) - 1;
            let stop = end.min(trained + self.held_before(held + 1));
            let first = self.held[held].token + at - trained - self.held[held].before;
            self.read_shards(first, first + stop - at, into)?;
            at = stop;
        }
        Ok(())
    }

    fn read_shards(&self, start: usize, end: usize, into: &mut Vec<u32>) -> Result<()> {
        let mut at = start;
        let mut shard = self.starts.partition_point(|&(start, _)| start <= at) - 1;
        while at < end {
            let (first, last) = (self.starts[shard].0, self.starts[shard + 1].0);
            let stop = end.min(last);
            self.shards[shard].read(at - first..stop - first, into)?;
            at = stop;
            shard += 1;
        }
        Ok(())
    }
}

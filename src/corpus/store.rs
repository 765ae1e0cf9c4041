//! The token store: the ids of all documents on disk, mapped into memory.

use super::manifest::{MANIFEST, Manifest, ShardEntry, sha256};
use super::shard::Shard;
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Which documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Those that are trained on.
    Train,
    /// Those that are held out.
    Valid,
}

/// The ids of a corpus, without special tokens. Tokens and documents are numbered over all shards.
#[derive(Debug)]
pub struct TokenStore {
    directory: PathBuf,
    manifest: Manifest,
    shards: Vec<Shard>,
    /// First token and first document of each shard, and the totals behind the last.
    starts: Vec<(usize, usize)>,
}

impl TokenStore {
    /// Opens the store in `directory` and compares every shard with its hash.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing, damaged or does not fit the manifest.
    pub fn open(directory: &Path) -> Result<Self> {
        let store = Self::open_unverified(directory)?;
        let check = |(shard, entry): (&Shard, &ShardEntry)| {
            shard.verify(&directory.join(&entry.file), entry, store.manifest.vocab_size)
        };
        store.shards.par_iter().zip(&store.manifest.shards).map(check).collect::<Result<()>>()?;
        let tokenizer = directory.join("tokenizer.json");
        let bytes = std::fs::read(&tokenizer).map_err(|error| Error::input(&tokenizer, error.to_string()))?;
        if sha256(&bytes) != store.manifest.tokenizer_sha256 {
            return Err(Error::input(
                &tokenizer,
                "it is not the tokenizer that the manifest names; build the store again",
            ));
        }
        Ok(store)
    }

    /// Whether `path` is a directory with a store in it.
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).is_file()
    }

    /// Opens the store, reading no more than headers and document offsets.
    pub(super) fn open_unverified(directory: &Path) -> Result<Self> {
        let manifest = Manifest::read(directory)?;
        let (mut shards, mut starts) = (Vec::new(), vec![(0, 0)]);
        let (mut tokens, mut documents) = (0, 0);
        for entry in &manifest.shards {
            let shard = Shard::open(&directory.join(&entry.file), entry, manifest.dtype)?;
            tokens += shard.len();
            documents += shard.documents();
            shards.push(shard);
            starts.push((tokens, documents));
        }
        let store = Self { directory: directory.to_owned(), shards, starts, manifest };
        let m = &store.manifest;
        let fits = (m.tokens, m.documents) == (tokens, documents)
            && m.held_out.documents <= documents
            && m.held_out.tokens == tokens - store.document_start(documents - m.held_out.documents);
        if !fits {
            let path = directory.join(MANIFEST);
            return Err(Error::input(path, "its counts are not those of the shards; build the store again"));
        }
        Ok(store)
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A hash of everything in it.
    pub fn fingerprint(&self) -> Result<String> {
        let path = self.directory.join(MANIFEST);
        std::fs::read(&path).map(|bytes| sha256(&bytes)).map_err(Error::io(&path))
    }

    /// The tokenizer that made it.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        Tokenizer::load(&self.directory)
    }

    /// The tokens of a split.
    pub fn range(&self, split: Split) -> Range<usize> {
        let train = self.manifest.tokens - self.manifest.held_out.tokens;
        match split {
            Split::Train => 0..train,
            Split::Valid => train..self.manifest.tokens,
        }
    }

    /// The documents of a split.
    pub fn document_range(&self, split: Split) -> Range<usize> {
        let train = self.manifest.documents - self.manifest.held_out.documents;
        match split {
            Split::Train => 0..train,
            Split::Valid => train..self.manifest.documents,
        }
    }

    /// Number of documents of a split.
    pub fn documents(&self, split: Split) -> usize {
        self.document_range(split).len()
    }

    /// The tokens of document `index`.
    pub fn document(&self, index: usize) -> Range<usize> {
        self.document_start(index)..self.document_start(index + 1)
    }

    fn document_start(&self, index: usize) -> usize {
        let shard = self.starts.partition_point(|&(_, documents)| documents <= index) - 1;
        let (tokens, documents) = self.starts[shard];
        // Behind the last document there is no shard, and `starts` has the total.
        self.shards.get(shard).map_or(tokens, |shard| tokens + shard.offset(index - documents))
    }

    /// Appends the ids of `tokens`.
    pub fn read(&self, tokens: Range<usize>, into: &mut Vec<u32>) {
        let mut at = tokens.start;
        let mut shard = self.starts.partition_point(|&(start, _)| start <= at) - 1;
        while at < tokens.end {
            let (start, end) = (self.starts[shard].0, self.starts[shard + 1].0);
            let stop = tokens.end.min(end);
            self.shards[shard].read(at - start..stop - start, into);
            at = stop;
            shard += 1;
        }
    }
}

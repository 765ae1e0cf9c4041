//! The token store: the ids of all documents on disk, read from there as they are needed.

use super::manifest::{MANIFEST, Manifest, ShardEntry, sha256};
use super::shard::Shard;
use super::split::Layout;
use crate::error::{Error, Result};
use crate::files;
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

/// The ids of a corpus, without special tokens. Tokens and documents are numbered over all shards, those that are trained on
/// first, then those that are held out.
#[derive(Debug)]
pub struct TokenStore {
    directory: PathBuf,
    manifest: Manifest,
    layout: Layout,
}

impl TokenStore {
    /// Opens the store in `directory` and compares every shard with its hash.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing, damaged or does not fit the manifest.
    pub fn open(directory: &Path) -> Result<Self> {
        let store = Self::open_unverified(directory)?;
        let check = |(shard, entry): (&Shard, &ShardEntry)| shard.verify(entry, store.manifest.vocab_size);
        store.layout.shards().par_iter().zip(&store.manifest.shards).map(check).collect::<Result<()>>()?;
        let tokenizer = directory.join("tokenizer.json");
        let bytes =
            files::read(&tokenizer, files::SMALL).map_err(|error| Error::input(&tokenizer, error.to_string()))?;
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

    /// Opens the store, reading no more than headers, document offsets and the list of held-out documents.
    pub(super) fn open_unverified(directory: &Path) -> Result<Self> {
        let manifest = Manifest::read(directory)?;
        let open = |entry: &ShardEntry| Shard::open(&directory.join(&entry.file), entry, manifest.dtype);
        let shards = manifest.shards.iter().map(open).collect::<Result<_>>()?;
        let layout = Layout::open(directory, shards, &manifest.held_out)?;
        if (manifest.tokens, manifest.documents) != (layout.tokens(), layout.documents()) {
            let path = directory.join(MANIFEST);
            return Err(Error::input(path, "its counts are not those of the shards; build the store again"));
        }
        Ok(Self { directory: directory.to_owned(), manifest, layout })
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
        files::read(&path, files::SMALL).map(|bytes| sha256(&bytes)).map_err(Error::io(&path))
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
        self.layout.document_start(index)..self.layout.document_start(index + 1)
    }

    /// Appends the ids of `tokens`.
    ///
    /// # Errors
    /// [`Error::Input`] for a shard that was changed since it was opened, so that it has them no longer.
    pub fn read(&self, tokens: Range<usize>, into: &mut Vec<u32>) -> Result<()> {
        self.layout.read(tokens.start, tokens.end, into)
    }
}

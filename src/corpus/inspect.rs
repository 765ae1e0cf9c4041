//! What is in a store, for people.

use super::manifest::{MANIFEST, Manifest};
use super::store::TokenStore;
use crate::error::{Error, Result};
use std::path::Path;

/// What [`inspect`] finds.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Inspection {
    /// The manifest.
    pub manifest: Manifest,
    /// Number of documents with `2^i` to `2^(i+1) - 1` tokens, at place `i`; empty ones count at place 0.
    pub lengths: Vec<usize>,
    /// The most frequent tokens with their counts.
    pub top_tokens: Vec<(String, u64)>,
    /// The beginnings of documents, decoded: those at equal distances in the store.
    pub samples: Vec<String>,
}

/// Tokens of a sample.
const SAMPLE: usize = 48;

/// Verifies the store in `directory` and counts what is in it.
///
/// # Errors
/// Those of [`TokenStore::open`]: a damaged store is one error, which names the file.
pub fn inspect(directory: &Path, top: usize, samples: usize) -> Result<Inspection> {
    let store = TokenStore::open(directory)?;
    let tokenizer = store.tokenizer()?;
    let manifest = store.manifest().clone();
    if manifest.vocab_size != tokenizer.vocab_size() {
        let message = format!(
            "vocab_size is {}, but the store's tokenizer has {} tokens; build the store again",
            manifest.vocab_size,
            tokenizer.vocab_size()
        );
        return Err(Error::input(directory.join(MANIFEST), message));
    }

    let mut lengths = Vec::new();
    for index in 0..manifest.documents {
        let place = store.document(index).len().max(1).ilog2() as usize;
        if lengths.len() <= place {
            lengths.resize(place + 1, 0);
        }
        lengths[place] += 1;
    }
    let mut counts = vec![0u64; manifest.vocab_size];
    let mut block = Vec::new();
    for start in (0..manifest.tokens).step_by(1 << 16) {
        block.clear();
        store.read(start..manifest.tokens.min(start + (1 << 16)), &mut block)?;
        block.iter().for_each(|&id| counts[id as usize] += 1);
    }
    let mut ids: Vec<u32> = (0..manifest.vocab_size as u32).filter(|&id| counts[id as usize] > 0).collect();
    ids.sort_by_key(|&id| (std::cmp::Reverse(counts[id as usize]), id));
    let name = |id: u32| tokenizer.token(id).unwrap_or_else(|| format!("#{id}"));
    let top_tokens = ids.into_iter().take(top).map(|id| (name(id), counts[id as usize])).collect();

    let number = samples.min(manifest.documents);
    let sample = |at: usize| {
        let tokens = store.document(at * manifest.documents / number);
        let mut ids = Vec::new();
        store.read(tokens.start..tokens.end.min(tokens.start + SAMPLE), &mut ids)?;
        tokenizer.decode(&ids)
    };
    let samples = (0..number).map(sample).collect::<Result<_>>()?;
    Ok(Inspection { manifest, lengths, top_tokens, samples })
}

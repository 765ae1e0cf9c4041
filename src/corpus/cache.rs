//! Stores that `pretrain` builds for itself, in a cache keyed by content, tokenizer and options.

use super::Progress;
use super::build::{BuildOptions, build};
use super::manifest::{SCHEMA_VERSION, sha256};
use super::read::Corpus;
use super::store::TokenStore;
use crate::config::TokenizerConfig;
use crate::error::{Error, Result};
use crate::files;
use crate::tokenizer::Tokenizer;
use std::fs::File;
use xxhash_rust::xxh3::Xxh3;

/// Which tokenizer a store is to have.
#[derive(Debug, Clone, Copy)]
pub enum Vocabulary<'a> {
    /// This one.
    Given(&'a Tokenizer),
    /// One that is trained on the corpus.
    Train {
        /// Number of tokens.
        vocab_size: usize,
        /// How it is trained.
        config: &'a TokenizerConfig,
    },
}

/// The store of `corpus`, from the cache where it is there, else built into it.
///
/// # Errors
/// Those of reading the corpus, training a tokenizer and building; [`Error::Usage`] for standard input, which cannot be
/// read twice.
pub fn cached(
    corpus: &Corpus,
    vocabulary: Vocabulary,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<TokenStore> {
    if corpus.is_stdin() {
        return Err(Error::Usage(
            "standard input can be read once only; make a store of it first: electra corpus build --corpus - \
             --tokenizer DIR --output STORE"
                .into(),
        ));
    }
    let tokenizer_key = match vocabulary {
        Vocabulary::Given(tokenizer) => tokenizer.to_json()?,
        Vocabulary::Train { vocab_size, config } => format!("{vocab_size} {config:?}"),
    };
    let content = content(corpus, progress)?;
    // Another version of the program may train or split otherwise.
    let version = env!("CARGO_PKG_VERSION");
    let key = sha256(format!("{version} {SCHEMA_VERSION} {content:032x} {options:?} {tokenizer_key}").as_bytes());
    let stores = files::cache("ELECTRA_CACHE", "")?.join("stores");
    let path = stores.join(&key[..24]);
    let usable = |error: std::io::Error| {
        Error::output(&stores, format!("the cache cannot be written: {error}; ELECTRA_CACHE names another place"))
    };
    std::fs::create_dir_all(&stores).map_err(usable)?;
    // Two runs that begin together: the second waits and finds the store of the first.
    let lock = File::create(path.with_extension("lock")).map_err(usable)?;
    lock.lock().map_err(usable)?;
    if path.exists() {
        progress(Progress::Stage(&format!("the store is in the cache: {}", path.display())));
        return TokenStore::open(&path);
    }
    let trained;
    let tokenizer = match vocabulary {
        Vocabulary::Given(tokenizer) => tokenizer,
        Vocabulary::Train { vocab_size, config } => {
            progress(Progress::Stage(&format!("training a WordPiece vocabulary of {vocab_size} tokens")));
            let mut documents = corpus.documents();
            let total = corpus.bytes();
            let told = std::iter::from_fn(|| {
                let next = documents.next();
                progress(Progress::Share { done: documents.stats().bytes, total });
                next
            });
            let (new, notes) = Tokenizer::train_with_notes(told, vocab_size, config)?;
            notes.iter().for_each(|note| progress(Progress::Stage(note)));
            trained = new;
            &trained
        }
    };
    progress(Progress::Stage("tokenizing"));
    build(corpus, tokenizer, &path, options, progress)?;
    TokenStore::open(&path)
}

/// A hash of the documents, and their counts for the user.
fn content(corpus: &Corpus, progress: &mut dyn FnMut(Progress)) -> Result<u128> {
    let (mut hash, mut count, mut bytes) = (Xxh3::new(), 0, 0);
    let (mut documents, total) = (corpus.documents(), corpus.bytes());
    while let Some(text) = documents.next().transpose()? {
        hash.update(text.as_bytes());
        hash.update(&[0xff]);
        (count, bytes) = (count + 1, bytes + text.len());
        progress(Progress::Share { done: documents.stats().bytes, total });
    }
    let (name, stats) = (corpus.name(), documents.stats());
    let mut message = format!("{name}: {count} documents, {:.1} MB", bytes as f64 / 1e6);
    for (seen, what) in [
        (stats.invalid_utf8, "lines or records with what is not Unicode"),
        (stats.empty, "records without text"),
        (stats.split, "documents that were cut"),
    ] {
        if seen > 0 {
            message += &format!(", {seen} {what}");
        }
    }
    progress(Progress::Stage(&message));
    Ok(hash.digest128())
}

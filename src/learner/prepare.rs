//! What a run trains on: the store of its corpus, and the loaders of both splits.

use crate::config::Config;
use crate::corpus::read::{Corpus, ReadOptions};
use crate::corpus::{self, BuildOptions, HoldOut, Progress, Split, TokenStore, Vocabulary};
use crate::data::{Cursor, Sequences, TrainSteps, ValidLoader};
use crate::device::Adapters;
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use electra_runs::{CorpusFacts, readable_count};
use std::sync::Arc;

/// What is known of the text in `store`.
pub(crate) fn corpus_facts(store: &TokenStore) -> CorpusFacts {
    let manifest = store.manifest();
    CorpusFacts {
        documents: store.documents(Split::Train),
        tokens: store.range(Split::Train).len(),
        held_out_documents: store.documents(Split::Valid),
        held_out_tokens: store.range(Split::Valid).len(),
        vocab_size: manifest.vocab_size,
        unknown_share: manifest.unknown_share(),
        duplicates: manifest.duplicates.found,
    }
}

/// Opens the store of the corpus, which is built first where it is not in the cache.
pub(super) fn prepare(
    config: &Config,
    tokenizer: Option<Tokenizer>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Tokenizer, Arc<TokenStore>)> {
    let paths = &config.data.corpus;
    let store = match paths.as_slice() {
        [store] if TokenStore::is_at(store) => {
            progress(Progress::Stage(&format!("verifying the store {}", store.display())));
            let store = TokenStore::open(store)?;
            let held_out = store.manifest().held_out.by;
            if held_out != HoldOut::Share(config.data.validation_share) {
                progress(Progress::Stage(&format!(
                    "the store decided when it was built what is held out ({held_out}); data.validation_share, {}, is not used",
                    config.data.validation_share
                )));
            }
            store
        }
        _ => {
            let corpus = if paths.is_empty() {
                Corpus::from_texts("the corpus that is compiled in", corpus::embedded())
            } else {
                Corpus::open(paths, ReadOptions::from(&config.corpus))?
            };
            corpus.notes().iter().for_each(|note| progress(Progress::Stage(note)));
            let vocabulary = match &tokenizer {
                Some(tokenizer) => Vocabulary::Given(tokenizer),
                None => Vocabulary::Train { vocab_size: config.model.vocab_size, config: &config.tokenizer },
            };
            let options = BuildOptions {
                hold_out: HoldOut::Share(config.data.validation_share),
                drop_duplicates: config.corpus.drop_duplicates,
                ..BuildOptions::default()
            };
            corpus::cached(&corpus, vocabulary, &options, progress)?
        }
    };
    let stored = store.tokenizer()?;
    if let Some(tokenizer) = &tokenizer
        && tokenizer.to_json()? != stored.to_json()?
    {
        let message = "its tokenizer is not the checkpoint's; build a store with that one";
        return Err(Error::input(store.directory(), message));
    }
    if tokenizer.is_none() && stored.vocab_size() != config.model.vocab_size {
        let (found, expected) = (stored.vocab_size(), config.model.vocab_size);
        return Err(Error::config(
            "model.vocab_size",
            format!("{expected}, but the store's tokenizer has {found} tokens"),
        ));
    }
    let split = |split| (readable_count(store.range(split).len()), readable_count(store.documents(split)));
    let ((train, train_documents), (valid, valid_documents)) = (split(Split::Train), split(Split::Valid));
    progress(Progress::Stage(&format!(
        "{train} training tokens in {train_documents} documents, {valid} held-out tokens in {valid_documents}; \
         {:.2} % unknown, {} duplicate documents",
        100.0 * store.manifest().unknown_share(),
        store.manifest().duplicates.found,
    )));
    for remark in store.manifest().held_out_remark().into_iter().chain(store.manifest().unknown_remark()) {
        progress(Progress::Stage(&remark));
    }
    Ok((tokenizer.unwrap_or(stored), Arc::new(store)))
}

/// The steps of training, and the loader of the held-out documents.
pub(super) fn loaders(
    config: &Config,
    tokenizer: &Tokenizer,
    store: Arc<TokenStore>,
    adapters: &Adapters,
    cursor: &Cursor,
) -> Result<(Arc<TrainSteps>, ValidLoader)> {
    let (length, kinds) = (config.data.sequence_length, tokenizer.kinds());
    let sequences = |split, key: &str, what: &str| {
        let tokens = store.range(split);
        let sequences = Sequences::new(store.clone(), split, config, kinds.clone());
        if tokens.len() < length - 2 {
            return Err(Error::config(
                key,
                format!(
                    "the {what} documents hold {} tokens in {} documents, fewer than the {} that one sequence needs",
                    tokens.len(),
                    store.documents(split),
                    length - 2
                ),
            ));
        }
        Ok(sequences)
    };
    let train = sequences(Split::Train, "data.sequence_length", "training")?;
    let valid = sequences(Split::Valid, "data.validation_share", "held-out")?;
    Ok((
        Arc::new(TrainSteps::new(train, config, &kinds)),
        ValidLoader::new(valid, config, &kinds, adapters.main().device.clone(), cursor.clone()),
    ))
}

//! Training a WordPiece vocabulary: words are counted as the documents stream by, then merged.

use super::{SPECIAL, Tokenizer, internal};
use crate::config::TokenizerConfig;
use crate::error::{Error, Result};
use ahash::AHashMap;
use compact_str::CompactString;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

/// Text whose words are counted at a time.
const BATCH_BYTES: usize = 1 << 20;

/// Different words that are kept; when there are more, the rarest are forgotten, so that memory stays bounded.
const MAX_WORDS: usize = 4_000_000;

impl Tokenizer {
    /// Trains a vocabulary of `vocab_size` tokens on `documents`.
    ///
    /// The result depends on the documents alone: `tokenizers` numbers the characters inside words in the order of a
    /// hash map, so they are counted, sorted and given to its trainer in that order here.
    ///
    /// # Errors
    /// The first error of `documents`; [`Error::Config`] where they do not support a vocabulary of that size.
    pub fn train(
        documents: impl Iterator<Item = Result<String>>,
        vocab_size: usize,
        config: &TokenizerConfig,
    ) -> Result<Self> {
        let normalizer = normalizer(config);
        let words = count_words(documents, &normalizer)?;
        let mut trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(config.min_frequency)
            .continuing_subword_prefix("##".into())
            .show_progress(false);
        let (first, inner) = alphabet(&words, config.limit_alphabet);
        let characters = first.iter().map(|c| c.to_string()).chain(inner.iter().map(|c| format!("##{c}")));
        let tokens = SPECIAL.iter().map(|s| (*s).to_string()).chain(characters);
        trainer = trainer
            .special_tokens(tokens.map(|token| AddedToken::from(token, false)).collect())
            .limit_alphabet(first.len())
            .initial_alphabet(first.into_iter().collect());

        let mut bpe = BPE::default();
        trainer.build().do_train(&words, &mut bpe).map_err(internal)?;
        let mut model = WordPiece::from_bpe(&bpe);
        model.unk_token = "[UNK]".into();
        let found = model.get_vocab_size();
        if found < vocab_size {
            return Err(Error::config(
                "model.vocab_size",
                format!("the corpus supports {found} tokens, fewer than {vocab_size}; lower it or add text"),
            ));
        }
        if found > vocab_size {
            return Err(Error::config(
                "model.vocab_size",
                format!(
                    "{vocab_size} is less than the {found} special tokens and characters of the corpus; \
                     raise it or lower tokenizer.limit_alphabet"
                ),
            ));
        }
        Self::new(model, normalizer)
    }
}

pub(super) fn normalizer(config: &TokenizerConfig) -> BertNormalizer {
    BertNormalizer::new(true, config.chinese_characters, config.strip_accents, config.lowercase)
}

type Words = AHashMap<CompactString, u64>;

/// How often each word of `documents` occurs, after normalisation.
fn count_words(documents: impl Iterator<Item = Result<String>>, normalizer: &BertNormalizer) -> Result<Words> {
    let mut words = Words::new();
    let (mut batch, mut size, mut rare) = (Vec::new(), 0, 1);
    for document in documents {
        let document = document?;
        size += document.len();
        batch.push(document);
        if size >= BATCH_BYTES {
            add_words(&mut words, &batch, normalizer)?;
            batch.clear();
            size = 0;
            // What is forgotten depends on the documents alone, since batches are cut by their sizes.
            while words.len() > MAX_WORDS {
                words.retain(|_, count| *count > rare);
                rare += 1;
            }
        }
    }
    add_words(&mut words, &batch, normalizer)?;
    Ok(words)
}

fn add_words(words: &mut Words, documents: &[String], normalizer: &BertNormalizer) -> Result<()> {
    let lines: Vec<&str> = documents.iter().flat_map(|document| document.lines()).collect();
    let count = |lines: &[&str]| {
        let mut counts = Words::new();
        for line in lines {
            let mut text = NormalizedString::from(*line);
            normalizer.normalize(&mut text)?;
            let mut split = PreTokenizedString::from(text);
            BertPreTokenizer.pre_tokenize(&mut split)?;
            for (word, _, _) in split.get_splits(OffsetReferential::Normalized, OffsetType::None) {
                *counts.entry(CompactString::from(word)).or_default() += 1;
            }
        }
        Ok(counts)
    };
    let counts: Vec<Words> = lines.par_chunks(1024).map(count).collect::<tokenizers::Result<_>>().map_err(internal)?;
    for (word, count) in counts.into_iter().flatten() {
        *words.entry(word).or_default() += count;
    }
    Ok(())
}

/// The characters that the vocabulary starts from, the `limit` most frequent ones, and those of them that occur inside
/// words; both sorted, since the order decides the ids.
fn alphabet(words: &AHashMap<CompactString, u64>, limit: usize) -> (BTreeSet<char>, BTreeSet<char>) {
    let mut counts: BTreeMap<char, u64> = BTreeMap::new();
    for (word, count) in words {
        word.chars().for_each(|c| *counts.entry(c).or_default() += count);
    }
    let mut by_count: Vec<(char, u64)> = counts.into_iter().collect();
    by_count.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    let kept: BTreeSet<char> = by_count.into_iter().take(limit).map(|(c, _)| c).collect();
    let inner = words.keys().flat_map(|word| word.chars().skip(1)).filter(|c| kept.contains(c)).collect();
    (kept, inner)
}

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
use unicode_categories::UnicodeCategories;

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
        Ok(Self::train_with_notes(documents, vocab_size, config)?.0)
    }

    /// [`train`](Self::train), with what the vocabulary loses of the text, in sentences for people.
    ///
    /// # Errors
    /// Those of [`train`](Self::train).
    pub fn train_with_notes(
        documents: impl Iterator<Item = Result<String>>,
        vocab_size: usize,
        config: &TokenizerConfig,
    ) -> Result<(Self, Vec<String>)> {
        let normalizer = normalizer(config);
        let mut marks = Marks::default();
        let strips = config.strip_accents.unwrap_or(config.lowercase);
        let seen = documents.inspect(|document| match document {
            Ok(text) if strips => marks.count(text),
            _ => {}
        });
        let words = count_words(seen, &normalizer)?;
        let mut trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(config.min_frequency)
            .continuing_subword_prefix("##".into())
            .show_progress(false);
        let alphabet = Alphabet::of(&words, vocab_size, config);
        let notes: Vec<String> = alphabet.note().into_iter().chain(marks.note()).collect();
        let Alphabet { first, inner, .. } = alphabet;
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
            let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
            return Err(Error::config(
                "model.vocab_size",
                format!("the corpus supports {found} tokens, fewer than {vocab_size}; lower it or add text{notes}"),
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
        Ok((Self::new(model, normalizer)?, notes))
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

/// The characters that the vocabulary starts from; sorted, since the order decides the ids.
struct Alphabet {
    /// The most frequent ones.
    first: BTreeSet<char>,
    /// Those of them that occur inside words.
    inner: BTreeSet<char>,
    /// How many different characters the text has.
    found: usize,
    /// The share of the text that the others are.
    lost: f64,
}

/// Characters that are kept where the configuration does not say how many; enough for scripts of letters.
const USUAL: usize = 1000;

/// A share of the text that may be lost without a word.
const UNNOTICED: f64 = 0.01;

impl Alphabet {
    fn of(words: &Words, vocab_size: usize, config: &TokenizerConfig) -> Self {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        for (word, count) in words {
            word.chars().for_each(|c| *counts.entry(c).or_default() += count);
        }
        let total: u64 = counts.values().sum();
        let mut by_count: Vec<(char, u64)> = counts.into_iter().collect();
        by_count.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
        let of = |limit: usize| {
            let first: BTreeSet<char> = by_count.iter().take(limit).map(|&(c, _)| c).collect();
            let inner = words.keys().flat_map(|word| word.chars().skip(1)).filter(|c| first.contains(c)).collect();
            (first, inner)
        };
        let (first, inner): (BTreeSet<char>, BTreeSet<char>) = match config.limit_alphabet {
            Some(limit) => of(limit),
            None => {
                let is_frequent = |(_, count): &&(char, u64)| *count >= config.min_frequency;
                let has_many = by_count.iter().take(USUAL).any(|&(c, _)| is_one_of_many(c));
                let mut limit =
                    if has_many { by_count.iter().take_while(is_frequent).count().max(USUAL) } else { USUAL };
                loop {
                    let (first, inner) = of(limit);
                    // Where words have several signs, half of the vocabulary is left for what they make together.
                    let room = if inner.is_empty() { vocab_size.saturating_sub(SPECIAL.len()) } else { vocab_size / 2 };
                    if limit <= USUAL || first.len() + inner.len() <= room {
                        break (first, inner);
                    }
                    limit = (limit * 9 / 10).max(USUAL);
                }
            }
        };
        let kept: u64 = by_count.iter().take(first.len()).map(|(_, count)| count).sum();
        Self { first, inner, found: by_count.len(), lost: (total - kept) as f64 / total.max(1) as f64 }
    }

    fn note(&self) -> Option<String> {
        let (kept, found, lost) = (self.first.len(), self.found, 100.0 * self.lost);
        (self.lost > UNNOTICED).then(|| {
            format!(
                "warning: {} of the {found} characters of the text, {lost:.2} % of it, are left out of the vocabulary and become [UNK]; \
                 --limit-alphabet, now {kept}, keeps more (tokenizer.limit_alphabet of a configuration)",
                found - kept
            )
        })
    }
}

/// Whether a character belongs to a script of thousands of signs: Chinese ones and Korean syllables.
fn is_one_of_many(c: char) -> bool {
    matches!(c as u32, 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// How many characters lose a mark when accents are stripped, in the first part of a text.
#[derive(Default)]
struct Marks {
    characters: usize,
    lost: usize,
}

/// Bytes that are looked at.
const LOOKED_AT: usize = 4 << 20;

impl Marks {
    fn count(&mut self, text: &str) {
        if self.characters > LOOKED_AT {
            return;
        }
        for line in text.lines() {
            let mut line = NormalizedString::from(line);
            self.characters += line.get().chars().count();
            line.nfd();
            self.lost += line.get().chars().filter(|c| c.is_mark_nonspacing()).count();
        }
    }

    fn note(&self) -> Option<String> {
        let share = self.lost as f64 / self.characters.max(1) as f64;
        (share > UNNOTICED).then(|| {
            format!(
                "warning: {:.2} % of the characters lose an accent, a vowel sign or another mark, since accents are stripped; \
                 --strip-accents false keeps them (tokenizer.strip_accents of a configuration)",
                100.0 * share
            )
        })
    }
}

//! WordPiece through the `tokenizers` crate: train, save, encode; special tokens by role.

use crate::config::TokenizerConfig;
use crate::error::{Error, Result};
use ahash::AHashMap;
use compact_str::CompactString;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{
    AddedToken, Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer,
};

/// The special tokens, in BERT's order, which is also the order of their ids.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Ids of the special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Padding.
    pub pad: u32,
    /// A word outside the vocabulary.
    pub unk: u32,
    /// Start of a sequence.
    pub cls: u32,
    /// End of a sequence.
    pub sep: u32,
    /// A position that the generator fills.
    pub mask: u32,
}

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its id.
    pub id: u32,
    /// The token; `##` in front continues a word.
    pub token: String,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

/// A WordPiece tokenizer.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
}

impl Tokenizer {
    /// Trains a vocabulary of `vocab_size` tokens on `documents`.
    ///
    /// The result depends on the documents alone: `tokenizers` numbers the characters inside words in the order of a
    /// hash map, so they are counted, sorted and given to its trainer in that order here.
    ///
    /// # Errors
    /// [`Error::Config`] where the documents do not support a vocabulary of that size.
    pub fn train(documents: &[String], vocab_size: usize, config: &TokenizerConfig) -> Result<Self> {
        let normalizer = normalizer(config.lowercase);
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

    fn new(model: WordPiece, normalizer: BertNormalizer) -> Result<Self> {
        let mut inner = tokenizers::Tokenizer::new(model);
        inner.add_special_tokens(&SPECIAL.map(|token| AddedToken::from(token, true)));
        let special = special_tokens(&inner)
            .map_err(|token| Error::config("tokenizer", format!("the vocabulary has no token {token}")))?;
        inner
            .with_normalizer(Some(normalizer))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()))
            .with_post_processor(Some(BertProcessing::new(
                ("[SEP]".into(), special.sep),
                ("[CLS]".into(), special.cls),
            )));
        Ok(Self { inner, special })
    }

    /// The tokenizer in `directory`: its `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, or that lacks a special token.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("tokenizer.json");
        let damaged = |error: tokenizers::Error| Error::input(&path, error.to_string());
        let mut inner = tokenizers::Tokenizer::from_file(&path).map_err(damaged)?;
        // Settings of somebody's last use, which `transformers` does not take over either.
        inner.with_padding(None).with_truncation(None).map_err(damaged)?;
        let special = special_tokens(&inner)
            .map_err(|token| Error::input(&path, format!("it has no token {token}; expected BERT's special tokens")))?;
        Ok(Self { inner, special })
    }

    /// The tokens of `text` with ids and the places that they have in it, in characters; without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<Piece>> {
        let encoding = self.inner.encode_char_offsets(text, false).map_err(internal)?;
        let pieces = encoding.get_ids().iter().zip(encoding.get_tokens()).zip(encoding.get_offsets());
        Ok(pieces.map(|((&id, token), &(start, end))| Piece { id, token: token.clone(), start, end }).collect())
    }

    /// The token with `id`, if there is one.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// Number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Appends the ids of `documents`, without special tokens, on all cores.
    pub fn encode_into(&self, documents: &[String], ids: &mut Vec<u32>) -> Result<()> {
        // Lines, since a document may be a whole book; a few thousand at a time, since an encoding is far larger than
        // its ids. White space separates words in any case, so lines give the ids that the whole document would.
        let lines: Vec<&str> = documents.iter().flat_map(|document| document.lines()).collect();
        for chunk in lines.chunks(4096) {
            for encoding in self.inner.encode_batch_fast(chunk.to_vec(), false).map_err(internal)? {
                ids.extend_from_slice(encoding.get_ids());
            }
        }
        Ok(())
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, as Hugging Face lays them out.
    pub fn save(&self, directory: &Path, model_max_length: usize) -> Result<()> {
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(Error::io(&path))
        };
        write("tokenizer.json", self.inner.to_string(true).map_err(internal)?)?;
        let by_id: BTreeMap<u32, String> =
            self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        write("vocab.txt", by_id.values().map(|token| format!("{token}\n")).collect())?;
        let lowercase =
            matches!(self.inner.get_normalizer(), Some(NormalizerWrapper::BertNormalizer(n)) if n.lowercase);
        let config = serde_json::json!({
            "tokenizer_class": "ElectraTokenizer",
            "do_lower_case": lowercase,
            "strip_accents": null,
            "tokenize_chinese_chars": true,
            "model_max_length": model_max_length,
            "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
        });
        write("tokenizer_config.json", format!("{config:#}\n"))
    }
}

/// Ids of the special tokens by role, or the first one that is missing.
fn special_tokens(tokenizer: &tokenizers::Tokenizer) -> std::result::Result<SpecialTokens, &'static str> {
    let id = |role: usize| tokenizer.token_to_id(SPECIAL[role]).ok_or(SPECIAL[role]);
    Ok(SpecialTokens { pad: id(0)?, unk: id(1)?, cls: id(2)?, sep: id(3)?, mask: id(4)? })
}

fn normalizer(lowercase: bool) -> BertNormalizer {
    // Accents follow the case, as in BERT: `None` strips them exactly where text is lower-cased.
    BertNormalizer::new(true, true, None, lowercase)
}

fn internal(error: tokenizers::Error) -> Error {
    Error::Training(format!("tokenizer: {error}"))
}

/// How often each word of `documents` occurs, after normalisation.
fn count_words(documents: &[String], normalizer: &BertNormalizer) -> Result<AHashMap<CompactString, u64>> {
    let lines: Vec<&str> = documents.iter().flat_map(|document| document.lines()).collect();
    let count = |lines: &[&str]| {
        let mut counts = AHashMap::new();
        for line in lines {
            let mut text = NormalizedString::from(*line);
            normalizer.normalize(&mut text)?;
            let mut words = PreTokenizedString::from(text);
            BertPreTokenizer.pre_tokenize(&mut words)?;
            for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::None) {
                *counts.entry(CompactString::from(word)).or_default() += 1;
            }
        }
        Ok(counts)
    };
    let add = |mut sum: AHashMap<CompactString, u64>, more: AHashMap<CompactString, u64>| {
        more.into_iter().for_each(|(word, n)| *sum.entry(word).or_default() += n);
        Ok(sum)
    };
    lines.par_chunks(4096).map(count).try_reduce(AHashMap::new, add).map_err(internal)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Vec<String> {
        vec![
            include_str!("../assets/corpus/01-nature.txt").into(),
            include_str!("../assets/corpus/02-crafts.txt").into(),
        ]
    }

    #[test]
    fn the_same_corpus_gives_the_same_vocabulary() {
        let train = || {
            let tokenizer = Tokenizer::train(&documents(), 600, &TokenizerConfig::default()).unwrap();
            tokenizer.inner.to_string(false).unwrap()
        };
        assert_eq!(train(), train());
    }

    #[test]
    fn special_tokens_come_first_and_text_survives() {
        let tokenizer = Tokenizer::train(&documents(), 1000, &TokenizerConfig::default()).unwrap();
        let special = tokenizer.special();
        assert_eq!([special.pad, special.unk, special.cls, special.sep, special.mask], [0, 1, 2, 3, 4]);
        assert_eq!(tokenizer.vocab_size(), 1000);

        let mut ids = Vec::new();
        tokenizer.encode_into(&["The water\nof the river.\n".into()], &mut ids).unwrap();
        assert_eq!(tokenizer.inner.decode(&ids, false).unwrap(), "the water of the river.");
    }

    #[test]
    fn a_vocabulary_beyond_the_corpus_is_refused() {
        let error = Tokenizer::train(&["a b c".into()], 1000, &TokenizerConfig::default()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("model.vocab_size: the corpus supports 8 tokens"), "{error}");
    }
}

//! WordPiece, or whole words, through the `tokenizers` crate: train, save, encode; special tokens by role.

mod files;
mod train;
mod unknown;
mod words;

pub use unknown::{MOST, NOTABLE, Unknown};
pub use words::special_name_in;

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, ModelWrapper, NormalizerWrapper};

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

/// What batches need to know of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKinds {
    /// The special tokens.
    pub special: SpecialTokens,
    /// For every id whether the token continues a word.
    pub continues: Arc<[bool]>,
    /// Tokens that end a sentence.
    pub sentence_ends: Vec<u32>,
}

/// Signs that end a sentence, in Latin, Chinese, Indian and Arabic scripts.
const SENTENCE_ENDS: [&str; 9] = [".", "!", "?", "。", "！", "？", "।", "؟", "۔"];

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

/// A tokenizer of word pieces, or of whole words.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// One more than the largest id.
    vocab_size: usize,
    /// Longest sequence that its files allow.
    max_length: Option<usize>,
}

impl Tokenizer {
    fn new(model: WordPiece, normalizer: BertNormalizer) -> Result<Self> {
        let mut tokenizer = Self::bare(model)?;
        tokenizer
            .inner
            .with_normalizer(Some(normalizer))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
        Ok(tokenizer)
    }

    /// A model with the special tokens, and nothing that splits text.
    fn bare(model: impl Into<ModelWrapper>) -> Result<Self> {
        let mut inner = tokenizers::Tokenizer::new(model);
        inner.add_special_tokens(&SPECIAL.map(|token| AddedToken::from(token, true)));
        let special = special_tokens(&inner)
            .map_err(|token| Error::config("tokenizer", format!("the vocabulary has no token {token}")))?;
        inner.with_post_processor(Some(BertProcessing::new(
            ("[SEP]".into(), special.sep),
            ("[CLS]".into(), special.cls),
        )));
        let vocab_size = vocab_size(&inner);
        Ok(Self { inner, special, vocab_size, max_length: None })
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

    /// Whether `other` normalises and splits text as this one does.
    pub fn splits_as(&self, other: &Self) -> bool {
        let of = |tokenizer: &Self| {
            let (normalizer, splitter) = (tokenizer.inner.get_normalizer(), tokenizer.inner.get_pre_tokenizer());
            (serde_json::to_value(normalizer).ok(), serde_json::to_value(splitter).ok())
        };
        of(self) == of(other)
    }

    /// Longest sequence in tokens, special ones counted, where its files say one (`model_max_length`).
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// What batches need to know of the vocabulary.
    pub fn kinds(&self) -> TokenKinds {
        let has_pieces = !self.has_whole_words();
        let continues = |id: u32| has_pieces && self.inner.id_to_token(id).is_some_and(|token| token.starts_with("##"));
        TokenKinds {
            special: self.special,
            continues: (0..self.vocab_size() as u32).map(continues).collect(),
            sentence_ends: SENTENCE_ENDS.iter().filter_map(|token| self.inner.token_to_id(token)).collect(),
        }
    }

    /// Ids of the special tokens.
    pub fn special(&self) -> SpecialTokens {
        self.special
    }

    /// Number of ids: a word table must have this many rows. That is the number of tokens, where no id is left out.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Appends the ids of `documents` to `ids`, without special tokens, and where each document ends there to `ends`; on
    /// all cores.
    pub fn encode_documents<'a>(
        &self,
        documents: impl Iterator<Item = &'a str>,
        ids: &mut Vec<u32>,
        ends: &mut Vec<usize>,
    ) -> Result<()> {
        // Lines, since a document may be a whole book. White space separates words in any case, so lines give the ids
        // that the whole document would.
        let (mut lines, mut last_lines) = (Vec::new(), Vec::new());
        for document in documents {
            lines.extend(document.lines());
            last_lines.push(lines.len());
        }
        // An encoding is far larger than its ids, so it goes no further than the thread that made it.
        let encode = |lines: &[&str]| {
            let (mut ids, mut ends) = (Vec::new(), Vec::with_capacity(lines.len()));
            for line in lines {
                ids.extend_from_slice(self.inner.encode_fast(*line, false)?.get_ids());
                ends.push(ids.len());
            }
            Ok((ids, ends))
        };
        let parts: Vec<(Vec<u32>, Vec<usize>)> =
            lines.par_chunks(64).map(encode).collect::<tokenizers::Result<_>>().map_err(internal)?;
        let before = ids.len();
        let mut line_ends = Vec::with_capacity(lines.len());
        for (part, part_ends) in parts {
            line_ends.extend(part_ends.into_iter().map(|end| ids.len() + end));
            ids.extend_from_slice(&part);
        }
        ends.extend(last_lines.into_iter().map(|count| if count == 0 { before } else { line_ends[count - 1] }));
        Ok(())
    }

    /// The text that `ids` stand for.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false).map_err(internal)
    }

    /// The contents of `tokenizer.json`.
    pub fn to_json(&self) -> Result<String> {
        self.inner.to_string(true).map_err(internal)
    }

    /// Writes `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, as Hugging Face lays them out.
    pub fn save(&self, directory: &Path, model_max_length: usize) -> Result<()> {
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(Error::io(&path))
        };
        write("tokenizer.json", self.to_json()?)?;
        let by_id: BTreeMap<u32, String> =
            self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        // The number of a line is an id; one without a token has a line of its own.
        let line = |id: u32| by_id.get(&id).cloned().unwrap_or_else(|| format!("[unused{id}]"));
        write("vocab.txt", (0..self.vocab_size() as u32).map(|id| line(id) + "\n").collect())?;
        let normalizer = match self.inner.get_normalizer() {
            Some(NormalizerWrapper::BertNormalizer(normalizer)) => Some(normalizer),
            _ => None,
        };
        let mut config = serde_json::json!({
            "model_max_length": model_max_length,
            "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
        });
        if self.has_whole_words() {
            // ELECTRA's own class would split text in BERT's way instead of that of tokenizer.json.
            config["tokenizer_class"] = "PreTrainedTokenizerFast".into();
        } else {
            config["tokenizer_class"] = "ElectraTokenizer".into();
            config["do_lower_case"] = normalizer.is_some_and(|n| n.lowercase).into();
            config["strip_accents"] = normalizer.and_then(|n| n.strip_accents).into();
            config["tokenize_chinese_chars"] = normalizer.is_none_or(|n| n.handle_chinese_chars).into();
        }
        write("tokenizer_config.json", format!("{config:#}\n"))
    }
}

/// One more than the largest id.
fn vocab_size(tokenizer: &tokenizers::Tokenizer) -> usize {
    tokenizer.get_vocab(true).values().max().map_or(0, |&largest| largest as usize + 1)
}

/// Ids of the special tokens by role, or the first one that is missing.
fn special_tokens(tokenizer: &tokenizers::Tokenizer) -> std::result::Result<SpecialTokens, &'static str> {
    let id = |role: usize| tokenizer.token_to_id(SPECIAL[role]).ok_or(SPECIAL[role]);
    Ok(SpecialTokens { pad: id(0)?, unk: id(1)?, cls: id(2)?, sep: id(3)?, mask: id(4)? })
}

fn internal(error: tokenizers::Error) -> Error {
    Error::Internal(format!("tokenizer: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenizerConfig;

    fn train(vocab_size: usize) -> Tokenizer {
        let texts =
            [include_str!("../../assets/corpus/01-nature.txt"), include_str!("../../assets/corpus/02-crafts.txt")];
        let documents = texts.iter().map(|text| Ok((*text).to_owned()));
        Tokenizer::train(documents, vocab_size, &TokenizerConfig::default()).unwrap()
    }

    #[test]
    fn the_same_corpus_gives_the_same_vocabulary_whatever_the_threads() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| train(600).to_json().unwrap())
        };
        assert!(on(1) == on(1), "two runs differ");
        assert!(on(1) == on(3), "one thread and three differ");
    }

    #[test]
    fn special_tokens_come_first_and_text_survives() {
        let tokenizer = train(1000);
        let special = tokenizer.special();
        assert_eq!([special.pad, special.unk, special.cls, special.sep, special.mask], [0, 1, 2, 3, 4]);
        assert_eq!(tokenizer.vocab_size(), 1000);

        let (mut ids, mut ends) = (vec![7], Vec::new());
        let documents = ["The water\nof the river.", "", "The sea"];
        tokenizer.encode_documents(documents.into_iter(), &mut ids, &mut ends).unwrap();
        assert_eq!(tokenizer.decode(&ids[1..ends[0]]).unwrap(), "the water of the river.");
        assert_eq!(tokenizer.decode(&ids[ends[1]..ends[2]]).unwrap(), "the sea");
        assert_eq!((ends[1], ends[2]), (ends[0], ids.len()));
    }

    #[test]
    fn a_vocabulary_beyond_the_corpus_is_refused() {
        let error =
            Tokenizer::train(std::iter::once(Ok("a b c".into())), 1000, &TokenizerConfig::default()).unwrap_err();
        assert!(error.is_wrong_input());
        assert!(error.to_string().contains("model.vocab_size: the corpus supports 8 tokens"), "{error}");
    }
}

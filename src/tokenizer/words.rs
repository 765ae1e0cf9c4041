//! A vocabulary of whole words: ids of items, which mean nothing letter by letter.

use super::{SPECIAL, Tokenizer, internal};
use crate::error::{Error, Result};
use ahash::AHashMap;
use tokenizers::ModelWrapper;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;

impl Tokenizer {
    /// A tokenizer of which each of `words` is one token, whatever characters it has: text is split at white space alone,
    /// and its case is kept. Ids are in the order of `words`, after the special tokens.
    ///
    /// # Errors
    /// [`Error::Config`] for a word that occurs twice or is a special token.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut vocabulary = AHashMap::new();
        for (word, id) in SPECIAL.into_iter().chain(words).zip(0u32..) {
            if vocabulary.insert(word.to_owned(), id).is_some() {
                return Err(Error::config("tokenizer", format!("the word \"{word}\" occurs twice")));
            }
        }
        let model = WordLevel::builder().vocab(vocabulary).unk_token("[UNK]".into()).build().map_err(internal)?;
        let mut tokenizer = Self::bare(model)?;
        tokenizer.inner.with_pre_tokenizer(Some(WhitespaceSplit));
        Ok(tokenizer)
    }

    /// Whether its tokens are whole words.
    pub fn has_whole_words(&self) -> bool {
        matches!(self.inner.get_model(), ModelWrapper::WordLevel(_))
    }

    /// The id of a token, if there is one.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }
}

/// The special token whose name stands somewhere in `word`: such a word would be cut there.
pub fn special_name_in(word: &str) -> Option<&'static str> {
    SPECIAL.into_iter().find(|name| word.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: [&str; 7] = ["B-7.a", "b-7.a", "##x", "Straße,9", "中文", "7", "é"];

    #[test]
    fn an_item_is_one_token_whatever_it_looks_like() {
        let tokenizer = Tokenizer::from_words(ITEMS).unwrap();
        assert_eq!(tokenizer.vocab_size(), 12);
        let directory = tempfile::tempdir().unwrap();
        tokenizer.save(directory.path(), 20).unwrap();
        for tokenizer in [tokenizer, Tokenizer::load(directory.path()).unwrap()] {
            assert!(tokenizer.has_whole_words() && !tokenizer.kinds().continues.contains(&true));
            let pieces = tokenizer.encode("b-7.a ##x\tStraße,9 中文 é other [MASK] 7 B-7.a").unwrap();
            let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
            assert_eq!(ids, [6, 7, 8, 9, 11, 1, 4, 10, 5]);
            assert_eq!((tokenizer.id("中文"), tokenizer.id("中")), (Some(9), None));
        }
        let config = std::fs::read_to_string(directory.path().join("tokenizer_config.json")).unwrap();
        assert!(config.contains("PreTrainedTokenizerFast") && !config.contains("do_lower_case"), "{config}");
    }

    #[test]
    fn a_word_twice_or_with_the_name_of_a_special_token_is_told_of() {
        assert!(Tokenizer::from_words(["a", "b", "a"]).unwrap_err().is_wrong_input());
        assert!(Tokenizer::from_words(["[MASK]"]).unwrap_err().is_wrong_input());
        assert_eq!(special_name_in("x[CLS]"), Some("[CLS]"));
        assert_eq!(special_name_in("[cls]"), None);
    }
}

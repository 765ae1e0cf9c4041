//! Why words are `[UNK]`, found out from some of them.

use super::Tokenizer;
use crate::error::Result;
use electra_runs::{counted, readable_count};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use tokenizers::ModelWrapper;

/// The share of `[UNK]` above which it is said.
pub const NOTABLE: f64 = 0.01;

/// The share above which nothing can be learned.
pub const MOST: f64 = 0.9;

/// Words that are looked at.
const LOOKED_AT: usize = 1000;

/// Bytes of a text that are looked at.
const LONGEST: usize = 1 << 20;

/// Words that became `[UNK]`, by what made them so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// All that were looked at.
    words: usize,
    /// Those with more characters than a word may have.
    long: usize,
    /// Those with a character that the vocabulary lacks.
    lacking: usize,
    /// Those with a character that the vocabulary has, but that lower-casing or stripping changes into one that it lacks.
    changed: usize,
    /// The characters of both kinds, with the number of their words.
    characters: BTreeMap<char, usize>,
}

impl Unknown {
    /// Whether nothing has been looked at.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether enough has been looked at.
    pub fn is_full(&self) -> bool {
        self.words >= LOOKED_AT
    }

    /// Looks at the words of `text` that `tokenizer` does not know.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn look(&mut self, text: &str, tokenizer: &Tokenizer) -> Result<()> {
        let text = &text[..text.floor_char_boundary(LONGEST)];
        let characters: Vec<char> = text.chars().collect();
        let mut known: HashMap<char, bool> = HashMap::new();
        let longest = tokenizer.longest_word();
        for piece in tokenizer.encode(text)?.into_iter().filter(|piece| piece.id == tokenizer.special.unk) {
            if self.is_full() {
                break;
            }
            self.words += 1;
            let word = characters.get(piece.start..piece.end).unwrap_or_default();
            if word.len() > longest {
                self.long += 1;
                continue;
            }
            let mut first = None;
            for &c in word {
                let is_known = match known.get(&c) {
                    Some(&known) => known,
                    None => *known.entry(c).or_insert(tokenizer.knows(&c.to_string())?),
                };
                if !is_known {
                    *self.characters.entry(c).or_default() += 1;
                    first = first.or(Some(c));
                }
            }
            match first.map(|c| tokenizer.id(&c.to_string()).is_some()) {
                Some(true) => self.changed += 1,
                Some(false) => self.lacking += 1,
                None => {}
            }
        }
        Ok(())
    }
}

impl fmt::Display for Unknown {
    /// The causes with their remedies, most frequent first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters: Vec<(&char, &usize)> = self.characters.iter().collect();
        characters.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
        let more = if characters.len() > 8 { ", ..." } else { "" };
        let shown: Vec<String> = characters.iter().take(8).map(|(c, _)| c.escape_debug().to_string()).collect();
        let (shown, rest) = (shown.join(" "), self.words - self.long - self.lacking - self.changed);
        let mut causes = [
            (
                self.lacking,
                format!(
                    "with characters that the vocabulary lacks, such as {shown}{more}: the text is in another language or \
                                    script, or --limit-alphabet was too small when the tokenizer was trained"
                ),
            ),
            (
                self.changed,
                format!(
                    "with characters that the vocabulary has, but that lower-casing or stripping accents takes away \
                                    ({shown}{more}): do_lower_case or strip_accents does not fit the vocabulary"
                ),
            ),
            (
                self.long,
                "with more characters than a word may have (100): no text, or words without blanks between them".into(),
            ),
            (rest, "that no pieces of the vocabulary make: a tokenizer that is trained on such text knows them".into()),
        ];
        causes.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let causes: Vec<String> = causes
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, cause)| format!("{} {cause}", readable_count(*count)))
            .collect();
        write!(f, "of {} looked at, {}", counted(self.words, "word"), causes.join("; "))
    }
}

impl Tokenizer {
    /// Whether no part of `text` is `[UNK]`.
    fn knows(&self, text: &str) -> Result<bool> {
        Ok(self.encode(text)?.iter().all(|piece| piece.id != self.special.unk))
    }

    /// Characters that a word may have.
    fn longest_word(&self) -> usize {
        match self.inner.get_model() {
            ModelWrapper::WordPiece(model) => model.max_input_chars_per_word,
            _ => usize::MAX,
        }
    }

    /// The share of `[UNK]` among the tokens of `texts`, of which the first 256 KiB are looked at, with what there is to say of it;
    /// nothing where they are few.
    ///
    /// # Errors
    /// The tokenizer's.
    pub fn unknown_remark<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Result<Option<(f64, String)>> {
        if self.has_whole_words() {
            return Ok(None);
        }
        let (mut tokens, mut unknown, mut causes, mut left) = (0, 0, Unknown::default(), LONGEST / 4);
        for text in texts {
            let text = &text[..text.floor_char_boundary(left)];
            left -= text.len();
            let pieces = self.encode(text)?;
            let here = pieces.iter().filter(|piece| piece.id == self.special.unk).count();
            tokens += pieces.len();
            unknown += here;
            if here > 0 && !causes.is_full() {
                causes.look(text, self)?;
            }
            if left == 0 {
                break;
            }
        }
        let share = unknown as f64 / tokens.max(1) as f64;
        Ok((share > NOTABLE).then(|| (share, format!("{:.2} % of the tokens are [UNK]: {causes}", 100.0 * share))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::models::wordpiece::WordPiece;
    use tokenizers::normalizers::BertNormalizer;

    fn tokenizer(words: &[&str], lowercase: bool) -> Tokenizer {
        let words = super::super::SPECIAL.iter().chain(words);
        let vocabulary: ahash::AHashMap<String, u32> =
            words.zip(0u32..).map(|(word, id)| ((*word).to_owned(), id)).collect();
        let model = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".into()).build().unwrap();
        Tokenizer::new(model, BertNormalizer::new(true, true, None, lowercase)).unwrap()
    }

    fn said(tokenizer: &Tokenizer, text: &str) -> String {
        tokenizer.unknown_remark([text].into_iter()).unwrap().map_or_else(String::new, |(_, said)| said)
    }

    #[test]
    fn causes_are_told_apart() {
        let lower = tokenizer(&["a", "##a", "b"], true);
        assert_eq!(said(&lower, "aa b aaa"), "");
        let long = "a".repeat(101);
        let all = said(&lower, &format!("жж ж дa aab {long} a a a"));
        assert!(all.starts_with("62.50 % of the tokens are [UNK]: of 5 words looked at, 3 with characters"), "{all}");
        assert!(all.contains("lacks, such as ж д: the text is in another language"), "{all}");
        assert!(all.contains("; 1 with more characters than a word may have (100)"), "{all}");
        assert!(all.contains("; 1 that no pieces of the vocabulary make"), "{all}");
        let capital = tokenizer(&["A", "##A"], true);
        let said = said(&capital, "A AA");
        assert!(said.contains("2 with characters that the vocabulary has, but that lower-casing"), "{said}");
    }
}

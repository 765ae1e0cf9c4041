//! What the network reads: one row of ids with special tokens, and what it should say.

use crate::error::Result;
use crate::tokenizer::{Piece, Tokenizer};
use std::ops::Range;

/// A row for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Ids with special tokens.
    pub ids: Vec<u32>,
    /// Where the second segment begins; the length where there is none.
    pub second: usize,
    /// What the network should say.
    pub target: Target,
    /// Number of its example.
    pub example: usize,
    /// The only positions that are asked about, at least one: the first pieces of words. Absent where the whole row is.
    pub positions: Option<Vec<usize>>,
    /// What the input has there: the words of `positions`, or the characters of the second segment's tokens.
    pub spans: Vec<Range<usize>>,
}

/// The class of a label that the network cannot say; no loss counts it.
pub const NO_CLASS: usize = usize::MAX;

/// What the network should say.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// It is not known.
    Absent,
    /// A class, or [`NO_CLASS`].
    Class(usize),
    /// One number a label.
    Values(Vec<f32>),
    /// A class, or [`NO_CLASS`], for each of the feature's positions.
    Classes(Vec<usize>),
    /// First and last position of an answer; 0, the place of `[CLS]`, for both where there is none.
    Span(usize, usize),
}

impl Target {
    /// Whether a loss can be computed of it.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Class(class) => *class != NO_CLASS,
            Self::Classes(classes) => classes.iter().any(|class| *class != NO_CLASS),
            Self::Values(_) | Self::Span(..) => true,
        }
    }
}

impl Feature {
    /// `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`.
    pub fn new(tokenizer: &Tokenizer, first: &[Piece], second: Option<&[Piece]>, example: usize) -> Self {
        let special = tokenizer.special();
        let mut ids = vec![special.cls];
        ids.extend(first.iter().map(|piece| piece.id));
        ids.push(special.sep);
        let boundary = ids.len();
        if let Some(second) = second {
            ids.extend(second.iter().map(|piece| piece.id));
            ids.push(special.sep);
        }
        Self { ids, second: boundary, target: Target::Absent, example, positions: None, spans: Vec::new() }
    }

    /// One or two texts, cut to `max_length` tokens, special ones counted; of two the longer one is cut first, from its
    /// end, as Hugging Face's `longest_first` does.
    pub fn of_texts(
        tokenizer: &Tokenizer,
        first: &str,
        second: Option<&str>,
        max_length: usize,
        example: usize,
    ) -> Result<Self> {
        let first = tokenizer.encode(first)?;
        let second = second.map(|second| tokenizer.encode(second)).transpose()?;
        let (a, b) = (first.len(), second.as_ref().map_or(0, Vec::len));
        let room = max_length.saturating_sub(2 + usize::from(second.is_some()));
        let (a, b) = longest_first(a, b, room);
        Ok(Self::new(tokenizer, &first[..a], second.as_ref().map(|second| &second[..b]), example))
    }
}

/// How much of `a` and `b` tokens stays where there is room for `room`.
fn longest_first(a: usize, b: usize, room: usize) -> (usize, usize) {
    if a + b <= room {
        return (a, b);
    }
    // The shorter one stays whole where it takes at most half; beyond that both are cut to halves, of which the longer
    // text gets the larger, and the second of equal ones.
    let short = a.min(b).min(room / 2);
    if a <= b { (short, room - short) } else { (room - short, short) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_is_cut_first() {
        assert_eq!(longest_first(3, 4, 10), (3, 4));
        assert_eq!(longest_first(3, 40, 10), (3, 7));
        assert_eq!(longest_first(40, 3, 10), (7, 3));
        assert_eq!(longest_first(40, 0, 11), (11, 0));
        // As `transformers` 5.24 with its fast tokenizers cuts them.
        assert_eq!(longest_first(40, 30, 11), (6, 5));
        assert_eq!(longest_first(30, 40, 11), (5, 6));
        assert_eq!(longest_first(40, 40, 11), (5, 6));
        assert_eq!(longest_first(6, 40, 11), (5, 6));
        assert_eq!(longest_first(5, 40, 11), (5, 6));
        assert_eq!(longest_first(30, 40, 12), (6, 6));
    }
}

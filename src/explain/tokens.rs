//! Tokens of a feature and where they stand in the texts.

use super::Explanation;
use super::subject::Subject;
use crate::error::{Error, Result};
use crate::tasks::{Feature, Input};
use crate::tokenizer::Piece;
use serde::Serialize;

/// A token with what it has to do with an output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttributedToken {
    /// The token; `##` in front continues a word.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Where it stands; absent for `[CLS]` and `[SEP]`.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What it adds to the output, by integrated gradients; 0 for `[CLS]` and `[SEP]`, which the baseline has too.
    pub attribution: f64,
    /// Its share by attention rollout.
    pub rollout: f64,
}

/// Characters of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Number of the text, 0 or 1.
    pub text: usize,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

/// Characters of a text that belong to one token, or to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The characters.
    pub characters: String,
    /// Place of the token among [`Explanation::tokens`].
    pub token: Option<usize>,
}

impl Explanation {
    /// Each text as the tokens and what is between them, from the first token to the last.
    pub fn runs(&self) -> Vec<Vec<Run>> {
        let of_text = |(number, text): (usize, &String)| {
            let characters: Vec<char> = text.chars().collect();
            let cut = |from: usize, to: usize| -> String { characters.iter().take(to).skip(from).collect() };
            let mut runs = Vec::new();
            let mut end = None;
            for (at, token) in self.tokens.iter().enumerate() {
                let Some(place) = token.place.filter(|place| place.text == number) else { continue };
                let before = end.unwrap_or(place.start);
                if place.start > before {
                    runs.push(Run { characters: cut(before, place.start), token: None });
                }
                runs.push(Run { characters: cut(place.start.max(before), place.end), token: Some(at) });
                end = Some(place.end.max(before));
            }
            runs
        };
        self.texts.iter().enumerate().map(of_text).collect()
    }

    /// The size of the largest attribution, to compare others with; 1 where all are 0.
    pub fn largest(&self) -> f64 {
        let largest = self.tokens.iter().map(|token| token.attribution.abs()).fold(0.0, f64::max);
        if largest > 0.0 { largest } else { 1.0 }
    }
}

/// The places of a feature that stand between `[CLS]` and `[SEP]`, or between two `[SEP]`.
pub(super) fn between_special(feature: &Feature) -> impl Iterator<Item = usize> + use<> {
    let (second, length) = (feature.second, feature.ids.len());
    (1..length.saturating_sub(1)).filter(move |&at| at + 1 != second)
}

/// The texts of an input.
pub(super) fn texts(input: &Input) -> Vec<String> {
    match input {
        Input::Text(text) => vec![text.clone()],
        Input::Pair(first, second) => vec![first.clone(), second.clone()],
        Input::Words(words) => vec![words.join(" ")],
        Input::Question { question, context } => vec![question.clone(), context.to_string()],
    }
}

/// The tokens of a feature, with nothing attributed to them yet.
pub(super) fn tokens(subject: &Subject, input: &Input, feature: &Feature) -> Result<Vec<AttributedToken>> {
    let tokenizer = subject.tokenizer();
    let token = |&id: &u32| AttributedToken {
        token: tokenizer.token(id).unwrap_or_default(),
        id,
        place: None,
        attribution: 0.0,
        rollout: 0.0,
    };
    let mut tokens: Vec<AttributedToken> = feature.ids.iter().map(token).collect();
    let mut put = |first: usize, text: usize, places: &mut dyn Iterator<Item = (usize, usize)>| {
        for (at, (start, end)) in (first..).zip(places) {
            // What was cut off has no place, and specials keep none.
            if at + 1 < feature.ids.len() && at + 1 != feature.second && (at < feature.second) == (first == 1) {
                tokens[at].place = Some(Place { text, start, end });
            } else {
                break;
            }
        }
    };
    match input {
        Input::Words(words) if feature.positions.is_some() => {
            let mut places = Vec::new();
            let first = feature.spans.first().map_or(0, |span| span.start);
            let last = feature.spans.last().map_or(0, |span| span.end);
            let mut begin = 0;
            for (number, word) in words.iter().enumerate() {
                if (first..last).contains(&number) {
                    let pieces = tokenizer.encode(word)?;
                    places.extend(pieces.iter().map(|piece| (begin + piece.start, begin + piece.end)));
                }
                begin += word.chars().count() + 1;
            }
            put(1, 0, &mut places.into_iter());
        }
        Input::Question { question, .. } => {
            put(1, 0, &mut of_pieces(&tokenizer.encode(question)?));
            put(feature.second, 1, &mut feature.spans.iter().map(|span| (span.start, span.end)));
        }
        _ => {
            for (number, text) in texts(input).iter().enumerate() {
                let first = if number == 0 { 1 } else { feature.second };
                put(first, number, &mut of_pieces(&tokenizer.encode(text)?));
            }
        }
    }
    Ok(tokens)
}

fn of_pieces(pieces: &[Piece]) -> impl Iterator<Item = (usize, usize)> {
    pieces.iter().map(|piece| (piece.start, piece.end))
}

/// Refuses an input of which `features` hold a part only.
///
/// # Errors
/// [`Error::Usage`] with the number of tokens.
pub(super) fn require_whole(subject: &Subject, input: &Input, features: &[Feature]) -> Result<()> {
    let Some(feature) = features.first() else { return Ok(()) };
    let count = |text: &str| subject.tokenizer().encode(text).map(|pieces| pieces.len());
    let (what, found, most) = match input {
        // Cut between words into several features.
        Input::Words(_) if feature.positions.is_some() => return Ok(()),
        // The context is read in windows.
        Input::Question { question, .. } => ("question", count(question)?, feature.second.saturating_sub(2)),
        _ => {
            let texts = texts(input);
            let found = texts.iter().map(|text| count(text)).sum::<Result<usize>>()?;
            let what = if texts.len() == 1 { "text" } else { "pair of texts" };
            (what, found, between_special(feature).count())
        }
    };
    if found > most {
        return Err(Error::Usage(format!("the {what} has {found} tokens; the model takes at most {most}")));
    }
    Ok(())
}

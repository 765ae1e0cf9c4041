//! Which number of a network is explained.

use super::subject::Subject;
use super::{Options, tokens};
use crate::error::{Error, Result};
use crate::metrics::{sigmoid, softmax};
use crate::tasks::{Feature, Input, Kind, Loss, Prediction, Predictor};
use serde::Serialize;
use std::fmt;

/// What is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Explained {
    /// The logit of a token's having been replaced.
    Replaced {
        /// Its number, from 1; also its place in [`Explanation::tokens`](super::Explanation::tokens).
        number: usize,
        /// The token.
        token: String,
    },
    /// The logit of a label for the text.
    Label {
        /// Its name.
        label: String,
    },
    /// The score of a regression, or the logit of relevance.
    Score,
    /// The logit of a label for a word.
    Tag {
        /// Its name.
        label: String,
        /// The word's number, from 1.
        number: usize,
        /// The word.
        word: String,
    },
    /// The sum of the logits of an answer's beginning and end.
    Answer {
        /// Its text.
        text: String,
    },
    /// The sum of the logits that say that there is no answer.
    NoAnswer,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Replaced { number, token } => write!(f, "that token {number}, \"{token}\", was replaced"),
            Self::Label { label } => write!(f, "label \"{label}\""),
            Self::Score => write!(f, "the score"),
            Self::Tag { label, number, word } => write!(f, "label \"{label}\" of word {number}, \"{word}\""),
            Self::Answer { text } => write!(f, "answer \"{text}\""),
            Self::NoAnswer => write!(f, "that there is no answer"),
        }
    }
}

/// One number that the network says about a feature.
#[derive(Debug)]
pub(super) struct Output {
    /// What the network reads; of words only the one that is explained is asked about.
    pub feature: Feature,
    /// The columns of its line of logits whose sum it is.
    pub columns: Vec<usize>,
    /// The places in the feature that it is about.
    pub positions: Vec<usize>,
    pub explained: Explained,
    scale: Scale,
}

/// How logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// They do not.
    Score,
    /// Each for itself.
    Sigmoid,
    /// Among as many as the line has, cut into equal parts for each column.
    Softmax,
}

impl Output {
    /// The probability that a line of logits gives it; absent for scores.
    pub(super) fn probability(&self, line: &[f32]) -> Option<f64> {
        match self.scale {
            Scale::Score => None,
            Scale::Sigmoid => Some(sigmoid(self.logit(line))),
            Scale::Softmax => {
                let size = line.len() / self.columns.len();
                let probability = |&column: &usize| softmax(&line[column / size * size..][..size])[column % size];
                Some(self.columns.iter().map(probability).product())
            }
        }
    }

    /// The probability, or the score.
    pub(super) fn value(&self, line: &[f32]) -> f64 {
        self.probability(line).unwrap_or_else(|| self.logit(line))
    }

    fn logit(&self, line: &[f32]) -> f64 {
        self.columns.iter().map(|&column| f64::from(line[column])).sum()
    }
}

/// What is to be explained about an input and its features, whose logits are `lines`.
///
/// # Errors
/// [`Error::Usage`] for a token or label that is not there.
pub(super) fn choose(
    subject: &Subject,
    input: &Input,
    features: &[Feature],
    lines: &[Vec<f32>],
    options: &Options,
) -> Result<Vec<Output>> {
    let predictor = match subject {
        Subject::Discriminator(_) => return replaced(subject, &features[0], &lines[0], options).map(|one| vec![one]),
        Subject::Task(predictor) => predictor,
    };
    let kind = predictor.task.kind();
    if options.token.is_some() && kind != Kind::TokenClassification {
        let message = "a token was chosen, but the model says nothing about single tokens; leave it out";
        return Err(Error::Usage(message.into()));
    }
    let label = options.label.as_ref().map(|name| label(predictor, name)).transpose()?;
    match kind {
        Kind::TokenClassification => tags(predictor, input, features, lines, label, options.token),
        Kind::QuestionAnswering => Ok(vec![answer(predictor, input, features, lines)]),
        _ => Ok(vec![text(predictor, &features[0], &lines[0], label)]),
    }
}

/// The number of a label.
fn label(predictor: &Predictor, name: &str) -> Result<usize> {
    let labels = predictor.task.labels();
    labels.iter().position(|label| label == name).ok_or_else(|| {
        let expected = match labels {
            [] => "the model has none".to_owned(),
            labels => format!("expected one of {}", labels.join(", ")),
        };
        Error::Usage(format!("there is no label \"{name}\"; {expected}"))
    })
}

fn largest(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

fn replaced(subject: &Subject, feature: &Feature, line: &[f32], options: &Options) -> Result<Output> {
    if let Some(name) = &options.label {
        return Err(Error::Usage(format!("there is no label \"{name}\": a discriminator has none")));
    }
    let count = tokens::between_special(feature).count();
    let at = match options.token {
        None => 1 + largest(&line[1..=count]),
        Some(number) if (1..=count).contains(&number) => number,
        Some(number) => {
            return Err(Error::Usage(format!("there is no token {number}; expected 1 to {count}")));
        }
    };
    let token = subject.tokenizer().token(feature.ids[at]).unwrap_or_default();
    Ok(Output {
        feature: feature.clone(),
        columns: vec![at],
        positions: vec![at],
        explained: Explained::Replaced { number: at, token },
        scale: Scale::Sigmoid,
    })
}

/// A label, or the one number, of a text or a pair.
fn text(predictor: &Predictor, feature: &Feature, line: &[f32], label: Option<usize>) -> Output {
    let column = label.unwrap_or_else(|| largest(line));
    let (scale, explained) = match predictor.task.labels().get(column) {
        Some(label) => {
            let label = Explained::Label { label: label.clone() };
            match predictor.task.loss() {
                Loss::Sigmoid => (Scale::Sigmoid, label),
                _ => (Scale::Softmax, label),
            }
        }
        None if predictor.task.kind() == Kind::Ranking => (Scale::Sigmoid, Explained::Score),
        None => (Scale::Score, Explained::Score),
    };
    Output { feature: feature.clone(), columns: vec![column], positions: vec![0], explained, scale }
}

/// The tag of a word that is no entity.
const OUTSIDE: &str = "O";

/// The tags of one word, or of those that are entities; where there are none, of the most certain word.
fn tags(
    predictor: &Predictor,
    input: &Input,
    features: &[Feature],
    lines: &[Vec<f32>],
    label: Option<usize>,
    token: Option<usize>,
) -> Result<Vec<Output>> {
    let words: &[String] = match input {
        Input::Words(words) => words,
        _ => &[],
    };
    let labels = predictor.task.labels();
    let outside = labels.iter().position(|label| label == OUTSIDE);
    let mut outputs: Vec<(f64, Output)> = Vec::new();
    for (feature, lines) in features.iter().zip(lines) {
        let asked = feature.positions.iter().flatten().zip(&feature.spans);
        for ((&position, span), line) in asked.zip(lines.chunks(labels.len())) {
            let column = label.unwrap_or_else(|| largest(line));
            let explained = Explained::Tag {
                label: labels[column].clone(),
                number: span.start + 1,
                word: words.get(span.start).cloned().unwrap_or_default(),
            };
            let feature = Feature { positions: Some(vec![position]), ..feature.clone() };
            let (columns, positions) = (vec![column], vec![position]);
            let output = Output { feature, columns, positions, explained, scale: Scale::Softmax };
            outputs.push((output.value(line), output));
        }
    }
    let number = |output: &Output| match output.explained {
        Explained::Tag { number, .. } => number,
        _ => 0,
    };
    if let Some(wanted) = token {
        let found = outputs.into_iter().find(|(_, output)| number(output) == wanted);
        let count = words.len();
        return match found {
            Some((_, output)) => Ok(vec![output]),
            None if (1..=count).contains(&wanted) => Err(Error::Usage(format!("word {wanted} has no tokens"))),
            None => Err(Error::Usage(format!("there is no word {wanted}; expected 1 to {count}"))),
        };
    }
    let entities = |output: &Output| label.is_none() && outside.is_some_and(|outside| output.columns != [outside]);
    let (entities, mut others): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|(_, output)| entities(output));
    if entities.is_empty() {
        others.sort_by(|a, b| b.0.total_cmp(&a.0));
        others.truncate(1);
        return Ok(others.into_iter().map(|(_, output)| output).collect());
    }
    Ok(entities.into_iter().map(|(_, output)| output).collect())
}

/// The answer that the model gives, in the window where it is surest of it.
fn answer(predictor: &Predictor, input: &Input, features: &[Feature], lines: &[Vec<f32>]) -> Output {
    let read: Vec<(&Feature, &[f32])> = features.iter().zip(lines).map(|(f, line)| (f, &line[..])).collect();
    let (text, start, end) = match predictor.task.decode(input, &read) {
        Prediction::Answer { text, start, end, .. } => (text, start, end),
        _ => (String::new(), 0, 0),
    };
    let score = |line: &[f32], [first, last]: [usize; 2]| line[first] + line[line.len() / 2 + last];
    let places = |feature: &Feature| -> Option<[usize; 2]> {
        let first = feature.spans.iter().position(|span| span.start == start)?;
        let last = feature.spans.iter().rposition(|span| span.end == end)?;
        (first <= last).then_some([feature.second + first, feature.second + last])
    };
    let found = read.iter().filter_map(|(feature, line)| Some((*feature, *line, places(feature)?)));
    let best = found.filter(|_| !text.is_empty()).max_by(|a, b| score(a.1, a.2).total_cmp(&score(b.1, b.2)));
    let (feature, places, explained) = match best {
        Some((feature, _, places)) => (feature, places, Explained::Answer { text }),
        // Of windows without an answer that one counts which is least sure of it, as in decoding.
        None => {
            let least = (0..lines.len()).min_by(|&a, &b| score(&lines[a], [0; 2]).total_cmp(&score(&lines[b], [0; 2])));
            (&features[least.unwrap_or(0)], [0; 2], Explained::NoAnswer)
        }
    };
    let [first, last] = places;
    // A line that was padded for its batch is longer than the feature alone will be.
    let columns = vec![first, feature.ids.len() + last];
    let positions = if first == last { vec![first] } else { vec![first, last] };
    Output { feature: feature.clone(), columns, positions, explained, scale: Scale::Softmax }
}

//! What goes into a task and what comes out, in one form for all tasks.

use crate::config::Kind;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What a model is asked about.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// One text.
    Text(String),
    /// Two texts: a premise and a hypothesis, a query and a document.
    Pair(String, String),
    /// A sentence in words.
    Words(Vec<String>),
    /// A question about a context.
    Question {
        /// The question.
        question: String,
        /// Where the answer stands, if anywhere.
        context: Arc<str>,
    },
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Input {
    /// What a task is asked about, as JSON: a text; two of them in an array; words in an array, or a text whose words are
    /// between spaces; an object with `question` and `context`.
    ///
    /// # Errors
    /// What was expected.
    pub fn from_json(value: &Value, kind: Kind) -> Result<Self, String> {
        let texts = || value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        let pair = || <[String; 2]>::try_from(Option::<Vec<String>>::unwrap_or_default(texts())).ok();
        let found = match kind {
            Kind::Classification | Kind::Regression => match value {
                Value::String(text) => Some(Self::Text(text.clone())),
                _ => pair().map(|[first, second]| Self::Pair(first, second)),
            },
            Kind::Ranking => pair().map(|[query, document]| Self::Pair(query, document)),
            Kind::TokenClassification | Kind::Recommendation => match value {
                Value::String(text) => Some(Self::Words(text.split_whitespace().map(str::to_owned).collect())),
                _ => texts().map(Self::Words),
            },
            Kind::QuestionAnswering => {
                let field = |name: &str| value.get(name)?.as_str();
                match (value.as_object().is_some_and(|object| object.len() == 2), field("question"), field("context")) {
                    (true, Some(question), Some(context)) => {
                        Some(Self::Question { question: question.to_owned(), context: context.into() })
                    }
                    _ => None,
                }
            }
        };
        found.ok_or_else(|| {
            let expected = match kind {
                Kind::Classification | Kind::Regression => "a text, or an array of two texts",
                Kind::Ranking => "an array of a query and a document",
                Kind::TokenClassification => "an array of words, or a text whose words are between spaces",
                Kind::Recommendation => "an array of items, or a text whose items are between spaces",
                Kind::QuestionAnswering => "an object with the texts \"question\" and \"context\", and nothing else",
            };
            format!("expected {expected}")
        })
    }

    /// Its texts.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::Pair(first, second) => vec![first, second],
            Self::Words(words) => words.iter().map(String::as_str).collect(),
            Self::Question { question, context } => vec![question, context],
        }
    }
}

/// What is right.
#[derive(Debug, Clone, PartialEq)]
pub enum Gold {
    /// The number of a label.
    Class(usize),
    /// A label that the model cannot say: whatever it says is wrong.
    Unseen(String),
    /// Which labels hold.
    Labels {
        /// In the order of the labels.
        holds: Vec<bool>,
        /// Those that the model cannot say.
        unseen: Vec<String>,
    },
    /// A number, for example a similarity.
    Value(f64),
    /// How relevant a document is.
    Relevance {
        /// From 0 on.
        grade: u32,
        /// What tells the document from the others of its query.
        document: String,
        /// Whether it is to be ranked; one that was judged and is not to be ranked has no text.
        retrieved: bool,
    },
    /// One tag a word.
    Tags(Vec<String>),
    /// Texts that answer a question and where they begin, in characters; none where the context does not answer it.
    Answers(Vec<(String, usize)>),
}

/// An input with what is right, if that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What the model is asked about.
    pub input: Input,
    /// What is right.
    pub gold: Option<Gold>,
    /// What belongs together: the query of a document, the name of a question.
    pub group: String,
    /// Where it stands: 1-based line of its file; 0 where that is not known.
    pub line: usize,
}

/// What a model says. Probabilities add up to 1 over the labels, but for [`Prediction::Labels`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prediction {
    /// The probability of each label.
    Class {
        /// In the order of the labels.
        probabilities: Vec<f64>,
    },
    /// The probability that each label holds.
    Labels {
        /// In the order of the labels.
        probabilities: Vec<f64>,
    },
    /// A number.
    Value {
        /// A similarity, or a score of relevance.
        score: f64,
    },
    /// One tag a word.
    Tags {
        /// Numbers of labels.
        classes: Vec<usize>,
        /// Their probabilities.
        probabilities: Vec<f64>,
    },
    /// An answer.
    Answer {
        /// Its text, empty where the context does not answer the question.
        text: String,
        /// Where it begins in the context, in characters.
        start: usize,
        /// One past its end.
        end: usize,
        /// Sum of the logits of its beginning and end.
        score: f64,
        /// By how much the score of no answer lies above that of the best answer.
        no_answer: f64,
        /// The best answer, if there must be one.
        #[serde(skip)]
        best: String,
    },
}

impl Prediction {
    /// Its probabilities, or its score where it has none.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Class { probabilities } | Self::Labels { probabilities } | Self::Tags { probabilities, .. } => {
                probabilities.clone()
            }
            Self::Value { score } | Self::Answer { score, .. } => vec![*score],
        }
    }

    /// The likeliest class, the first of equal ones.
    pub fn class(&self) -> Option<usize> {
        match self {
            Self::Class { probabilities } => {
                let best = |best: usize, at: usize| if probabilities[at] > probabilities[best] { at } else { best };
                (!probabilities.is_empty()).then(|| (1..probabilities.len()).fold(0, best))
            }
            _ => None,
        }
    }
}

/// The labels of an example that the model cannot say.
pub(super) fn unseen(example: &Example) -> impl Iterator<Item = &str> {
    let (one, several) = match &example.gold {
        Some(Gold::Unseen(name)) => (Some(name.as_str()), &[][..]),
        Some(Gold::Labels { unseen, .. }) => (None, &unseen[..]),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(several.iter().map(String::as_str))
}

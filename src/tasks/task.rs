//! A task: what examples it has, what the network reads and says, and how that is judged.

use super::classification::Classification;
use super::example::{Example, Gold, Input, Prediction};
use super::feature::Feature;
use super::network::{Head, Loss};
use super::question_answering::QuestionAnswering;
use super::ranking::RankingTask;
use super::read::{Loaded, Need, Reading, check_options};
use super::regression::Regression;
use super::token_classification::TokenClassification;
use crate::error::{Error, Result};
use crate::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Metrics by name.
pub type Metrics = BTreeMap<String, f64>;

/// Which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One label of several, or several at once, for a text or a pair.
    Classification,
    /// A number for a text or a pair.
    Regression,
    /// A tag for every word.
    TokenClassification,
    /// The span of a context that answers a question.
    QuestionAnswering,
    /// A score of relevance for a query and a document.
    Ranking,
    /// The item that comes next in a session.
    Recommendation,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Classification, "classification"),
        (Self::Regression, "regression"),
        (Self::TokenClassification, "token-classification"),
        (Self::QuestionAnswering, "question-answering"),
        (Self::Ranking, "ranking"),
        (Self::Recommendation, "recommendation"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| kind).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(|(_, name)| name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// How an input becomes features.
#[derive(Debug, Clone, Copy)]
pub struct Encoding<'a> {
    /// Splits texts.
    pub tokenizer: &'a Tokenizer,
    /// Longest feature in tokens, special ones counted.
    pub max_length: usize,
}

/// A table for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Cells.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table; for programs a number is one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Of a class, say.
    Name(String),
    /// How many.
    Count(usize),
    /// A share.
    Figure(f64),
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::Count(count) => f.pad(&count.to_string()),
            Self::Figure(figure) => f.pad(&format!("{figure:.4}")),
        }
    }
}

/// What every task can do.
pub trait Work: Sync {
    /// What stands above the encoder.
    fn head(&self) -> Head;

    /// How its numbers become a loss.
    fn loss(&self) -> Loss;

    /// The names of the labels; empty where there are none.
    fn labels(&self) -> &[String];

    /// The features of an input, the `example`th; `gold` is what they should give.
    ///
    /// # Errors
    /// Those of the tokenizer.
    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>>;

    /// What the network says about an input, from the logits of its features.
    fn decode(&self, input: &Input, features: &[(&Feature, &[f32])]) -> Prediction;

    /// The metrics of predictions; examples without gold are left out.
    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics;

    /// The metric that says which checkpoint is the best.
    fn main_metric(&self) -> &'static str;

    /// Predictions for `examples` by a guess that has seen the gold of `train` and no inputs, and what that is called.
    fn baseline(&self, train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>);

    /// More about predictions than numbers: confusion, figures by class.
    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<Table>;

    /// Reads examples.
    ///
    /// # Errors
    /// A file or row that cannot be used, with file, line and column.
    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>>;

    /// The names of all metrics that it may have on `examples`.
    fn metric_names(&self, examples: &[Example]) -> Vec<String> {
        let (_, predictions) = self.baseline(examples, examples);
        self.metrics(examples, &predictions).into_keys().collect()
    }

    /// Sets what is chosen by looking at held-out predictions.
    fn tune(&mut self, _examples: &[Example], _predictions: &[Prediction]) {}

    /// Where the biases of a head on texts begin: near the mean of what they should say.
    fn initial_bias(&self, _examples: &[Example]) -> Option<Vec<f32>> {
        None
    }

    /// Which of the features of an example are trained on.
    fn training_features(&self, features: Vec<Feature>, _seed: u64) -> Vec<Feature> {
        features
    }

    /// A prediction as a JSON object with names instead of numbers; `top_k` of the labels.
    fn to_json(&self, input: &Input, prediction: &Prediction, top_k: usize) -> serde_json::Value;
}

/// A task with what it has learned of its training data, as it stands in a model's `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum Task {
    /// One label of several, or several at once.
    Classification(Classification),
    /// A number.
    Regression(Regression),
    /// A tag for every word.
    TokenClassification(TokenClassification),
    /// The span that answers a question.
    QuestionAnswering(QuestionAnswering),
    /// A score of relevance.
    Ranking(RankingTask),
}

impl Task {
    /// The task that the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used, with file, line and column; one class only; an option that the task
    /// does not have; a task that is none of an encoder.
    pub fn prepare(kind: Kind, path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        check_options(kind, reading)?;
        Ok(match kind {
            Kind::Classification => {
                let (task, examples) = Classification::prepare(path, reading)?;
                (Self::Classification(task), examples)
            }
            Kind::Regression => {
                let task = Regression {};
                let examples = task.read(path, Need::Required, reading)?;
                (Self::Regression(task), examples)
            }
            Kind::TokenClassification => {
                let (task, examples) = TokenClassification::prepare(path, reading)?;
                (Self::TokenClassification(task), examples)
            }
            Kind::QuestionAnswering => {
                let (task, examples) = QuestionAnswering::prepare(path, reading)?;
                (Self::QuestionAnswering(task), examples)
            }
            Kind::Ranking => {
                let (task, examples) = RankingTask::prepare(path, reading)?;
                (Self::Ranking(task), examples)
            }
            Kind::Recommendation => {
                let message = "recommendation has no encoder and no examples; expected the task of an encoder";
                return Err(Error::config("task", message));
            }
        })
    }

    /// Which task it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Classification(_) => Kind::Classification,
            Self::Regression(_) => Kind::Regression,
            Self::TokenClassification(_) => Kind::TokenClassification,
            Self::QuestionAnswering(_) => Kind::QuestionAnswering,
            Self::Ranking(_) => Kind::Ranking,
        }
    }
}

impl std::ops::Deref for Task {
    type Target = dyn Work;

    fn deref(&self) -> &(dyn Work + 'static) {
        match self {
            Self::Classification(task) => task,
            Self::Regression(task) => task,
            Self::TokenClassification(task) => task,
            Self::QuestionAnswering(task) => task,
            Self::Ranking(task) => task,
        }
    }
}

impl std::ops::DerefMut for Task {
    fn deref_mut(&mut self) -> &mut (dyn Work + 'static) {
        match self {
            Self::Classification(task) => task,
            Self::Regression(task) => task,
            Self::TokenClassification(task) => task,
            Self::QuestionAnswering(task) => task,
            Self::Ranking(task) => task,
        }
    }
}

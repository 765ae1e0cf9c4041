//! A task: what examples it has, what the network reads and says, and how that is judged.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::Feature;
use super::network::{Head, Loss};
use super::read::{Loaded, Need, Reading};
use crate::error::Result;
use crate::tokenizer::Tokenizer;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Metrics by name.
pub type Metrics = BTreeMap<String, f64>;

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
pub struct ResultTable {
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
    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<ResultTable>;

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

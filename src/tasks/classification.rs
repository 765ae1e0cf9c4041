//! One label of several for a text or a pair, or several labels at once.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, Target};
use super::network::{Head, Loss};
use super::read::{Loaded, Need, Value};
use super::task::{Encoding, Metrics, ReadOptions, Table, Work};
use super::texts::{TextRow, read_texts};
use crate::error::{Error, Result};
use crate::metrics::{Confusion, Counts, MultiLabel};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The task with the labels of its training data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// By number if all are numbers, else by name.
    pub labels: Vec<String>,
    /// Whether a text may have several labels.
    pub multi_label: bool,
}

/// A probability above which a label of several holds.
const HOLDS: f64 = 0.5;

impl Classification {
    /// The task that the labels of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one class only.
    pub fn prepare(path: &Path, options: ReadOptions) -> Result<(Self, Loaded<Example>)> {
        let rows = read_texts(path, Need::Required, options.skip_bad_rows)?;
        let lists = rows.rows.iter().any(|row| matches!(row.labels, Some(Value::List(_))));
        let multi_label = options.multi_label || lists;
        let names: BTreeSet<String> =
            rows.rows.iter().flat_map(|row| names(row.labels.as_ref(), multi_label)).collect();
        let mut labels: Vec<String> = names.into_iter().collect();
        if labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            labels.sort_by_key(|label| label.parse::<i64>().unwrap_or(0));
        }
        let fewest = if multi_label { 1 } else { 2 };
        if labels.len() < fewest {
            let found = labels.first().map_or("none".into(), |label| format!("only \"{label}\""));
            return Err(Error::input(path, format!("column \"label\": {found}; expected {fewest} classes or more")));
        }
        let task = Self { labels, multi_label };
        let examples = task.examples(rows, options.skip_bad_rows)?;
        Ok((task, examples))
    }

    fn examples(&self, rows: Loaded<TextRow>, skip_bad_rows: bool) -> Result<Loaded<Example>> {
        rows.convert(skip_bad_rows, "rows", |row| {
            let gold = row.labels.as_ref().map(|value| self.gold(value)).transpose();
            let example = gold.map(|gold| Example { input: row.input, gold, group: String::new(), line: row.line });
            (Some(row.line), example)
        })
    }

    fn gold(&self, value: &Value) -> std::result::Result<Gold, String> {
        let number = |name: &String| {
            self.labels.iter().position(|label| label == name).ok_or_else(|| {
                let some: Vec<String> = self.labels.iter().take(5).map(|label| format!("\"{label}\"")).collect();
                let more = if self.labels.len() > 5 { ", ..." } else { "" };
                format!("column \"label\": \"{name}\" is no label of the training data ({}{more})", some.join(", "))
            })
        };
        let numbers: Vec<usize> =
            names(Some(value), self.multi_label).iter().map(number).collect::<std::result::Result<_, _>>()?;
        if self.multi_label {
            let mut holds = vec![false; self.labels.len()];
            numbers.into_iter().for_each(|number| holds[number] = true);
            return Ok(Gold::Labels(holds));
        }
        match numbers[..] {
            [number] => Ok(Gold::Class(number)),
            _ => Err(format!("column \"label\": {} labels; expected one", numbers.len())),
        }
    }

    fn classes(examples: &[Example], predictions: &[Prediction]) -> (Vec<usize>, Vec<usize>) {
        let pairs = examples.iter().zip(predictions).filter_map(|(example, prediction)| match example.gold {
            Some(Gold::Class(class)) => Some((class, prediction.class()?)),
            _ => None,
        });
        pairs.unzip()
    }

    fn several(examples: &[Example], predictions: &[Prediction]) -> Option<MultiLabel> {
        let pairs =
            examples.iter().zip(predictions).filter_map(|(example, prediction)| match (&example.gold, prediction) {
                (Some(Gold::Labels(gold)), Prediction::Labels { probabilities }) => {
                    Some((gold.clone(), probabilities.iter().map(|&p| p > HOLDS).collect::<Vec<bool>>()))
                }
                _ => None,
            });
        let (gold, predicted): (Vec<_>, Vec<_>) = pairs.unzip();
        MultiLabel::new(&gold, &predicted)
    }
}

/// The names of labels in a cell; several between `|`.
fn names(value: Option<&Value>, multi_label: bool) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::List(names)) => names.clone(),
        Some(Value::Text(text)) if multi_label => {
            text.split('|').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Text(text)) => vec![text.trim().to_owned()],
    }
}

/// `exp` of logits, in proportion.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - most).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

pub(super) fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

/// The feature of one text or a pair.
pub(super) fn text_feature(input: &Input, target: Target, example: usize, how: Encoding) -> Result<Vec<Feature>> {
    let (first, second) = match input {
        Input::Text(text) => (text.clone(), None),
        Input::Pair(first, second) => (first.clone(), Some(second.as_str())),
        Input::Words(words) => (words.join(" "), None),
        Input::Question { question, context } => (question.clone(), Some(&**context)),
    };
    let mut feature = Feature::of_texts(how.tokenizer, &first, second, how.max_length, example)?;
    feature.target = target;
    Ok(vec![feature])
}

/// Figures by class as rows of cells.
pub(super) fn by_class<'a>(classes: impl Iterator<Item = (&'a str, Counts)>) -> Table {
    let columns = ["class", "precision", "recall", "f1", "support"].map(str::to_owned).into();
    let row = |(name, counts): (&str, Counts)| {
        let figures = [counts.precision(), counts.recall(), counts.f1()].map(|figure| format!("{figure:.4}"));
        [vec![name.to_owned()], figures.into(), vec![counts.gold.to_string()]].concat()
    };
    Table { title: "by class".into(), columns, rows: classes.map(row).collect() }
}

impl Work for Classification {
    fn head(&self) -> Head {
        Head::Sequence(self.labels.len())
    }

    fn loss(&self) -> Loss {
        if self.multi_label { Loss::Sigmoid } else { Loss::Softmax }
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>> {
        let target = match gold {
            Some(Gold::Class(class)) => Target::Class(*class),
            Some(Gold::Labels(holds)) => Target::Values(holds.iter().map(|&holds| f32::from(holds)).collect()),
            _ => Target::Absent,
        };
        text_feature(input, target, example, how)
    }

    fn decode(&self, _input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let logits = features.first().map_or(&[][..], |(_, logits)| logits);
        match self.multi_label {
            true => Prediction::Labels { probabilities: logits.iter().map(|&logit| sigmoid(logit)).collect() },
            false => Prediction::Class { probabilities: softmax(logits) },
        }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let named = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        if self.multi_label {
            let scores = Self::several(examples, predictions);
            return scores.map_or_else(Metrics::new, |scores| {
                let (micro, subset) = (scores.micro_f1(), scores.subset_accuracy());
                named(&[("accuracy", subset), ("f1", micro), ("micro_f1", micro), ("macro_f1", scores.macro_f1())])
            });
        }
        let (gold, predicted) = Self::classes(examples, predictions);
        let confusion = Confusion::new(&gold, &predicted, self.labels.len());
        confusion.map_or_else(Metrics::new, |confusion| {
            let macro_f1 = confusion.macro_f1();
            // Of two classes the second is the one that is looked for.
            let f1 = if self.labels.len() == 2 { confusion.f1_of(1) } else { macro_f1 };
            named(&[
                ("accuracy", confusion.accuracy()),
                ("f1", f1),
                ("macro_f1", macro_f1),
                ("micro_f1", confusion.micro_f1()),
                ("matthews", confusion.matthews()),
            ])
        })
    }

    fn main_metric(&self) -> &'static str {
        if self.multi_label { "f1" } else { "accuracy" }
    }

    fn baseline(&self, train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        let labels = self.labels.len();
        let mut counts = vec![0usize; labels];
        for example in train {
            match &example.gold {
                Some(Gold::Class(class)) => counts[*class] += 1,
                Some(Gold::Labels(holds)) => {
                    counts.iter_mut().zip(holds).for_each(|(n, &holds)| *n += usize::from(holds))
                }
                _ => (),
            }
        }
        let share = |&count: &usize| count as f64 / train.len().max(1) as f64;
        let probabilities: Vec<f64> = counts.iter().map(share).collect();
        let prediction = match self.multi_label {
            true => Prediction::Labels { probabilities },
            false => Prediction::Class { probabilities },
        };
        ("the most frequent label", vec![prediction; examples.len()])
    }

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<Table> {
        if self.multi_label {
            let scores = Self::several(examples, predictions);
            let table = |scores: MultiLabel| by_class(self.labels.iter().map(String::as_str).zip(scores.labels));
            return scores.map(table).into_iter().collect();
        }
        let (gold, predicted) = Self::classes(examples, predictions);
        let Some(confusion) = Confusion::new(&gold, &predicted, self.labels.len()) else { return Vec::new() };
        let classes = self.labels.iter().enumerate().map(|(number, name)| (name.as_str(), confusion.class(number)));
        let mut columns = vec!["gold \\ predicted".to_owned()];
        columns.extend(self.labels.clone());
        let row = |(name, counts): (&String, &Vec<usize>)| {
            std::iter::once(name.clone()).chain(counts.iter().map(usize::to_string)).collect()
        };
        let rows = self.labels.iter().zip(&confusion.table).map(row).collect();
        vec![by_class(classes), Table { title: "confusion".into(), columns, rows }]
    }

    fn read(&self, path: &Path, gold: Need, skip_bad_rows: bool) -> Result<Loaded<Example>> {
        self.examples(read_texts(path, gold, skip_bad_rows)?, skip_bad_rows)
    }

    fn to_json(&self, _input: &Input, prediction: &Prediction, top_k: usize) -> Json {
        let (Prediction::Class { probabilities } | Prediction::Labels { probabilities }) = prediction else {
            return Json::Null;
        };
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let item = |&number: &usize| json!({"label": self.labels[number], "probability": probabilities[number]});
        let top: Vec<Json> = order.iter().take(top_k).map(item).collect();
        match self.multi_label {
            true => {
                let holds = |number: &usize| probabilities[*number] > HOLDS;
                let labels: Vec<&String> =
                    (0..self.labels.len()).filter(holds).map(|number| &self.labels[number]).collect();
                json!({"labels": labels, "top": top})
            }
            false => {
                let best = order.first().copied().unwrap_or(0);
                json!({"label": self.labels.get(best), "probability": probabilities.get(best), "top": top})
            }
        }
    }
}

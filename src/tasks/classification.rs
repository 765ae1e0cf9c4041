//! One label of several for a text or a pair, or several labels at once.

use super::example::{Example, Gold, Input, Prediction, unseen};
use super::feature::{Feature, NO_CLASS, Target};
use super::network::{Head, Loss};
use super::read::{Loaded, Need, Reading};
use super::shared::{by_class, text_feature};
use super::task::{Cell, Encoding, Metrics, ResultTable, Work};
use crate::error::Result;
use crate::metrics::{Confusion, MultiLabel, sigmoid, softmax};
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
    /// Gold and predicted classes, and their names: those that the model knows before those that it does not.
    fn classes(&self, examples: &[Example], predictions: &[Prediction]) -> (Vec<usize>, Vec<usize>, Vec<String>) {
        let mut names = self.labels.clone();
        let unseen: BTreeSet<&str> = examples.iter().flat_map(unseen).collect();
        names.extend(unseen.into_iter().map(str::to_owned));
        let pairs = examples.iter().zip(predictions).filter_map(|(example, prediction)| match &example.gold {
            Some(Gold::Class(class)) => Some((*class, prediction.class()?)),
            Some(Gold::Unseen(name)) => Some((names.iter().rposition(|known| known == name)?, prediction.class()?)),
            _ => None,
        });
        let (gold, predicted) = pairs.unzip();
        (gold, predicted, names)
    }

    /// What was got right of several labels, and the labels' names as [`classes`](Self::classes) has them.
    fn several(&self, examples: &[Example], predictions: &[Prediction]) -> (Option<MultiLabel>, Vec<String>) {
        let mut names = self.labels.clone();
        let all: BTreeSet<&str> = examples.iter().flat_map(unseen).collect();
        names.extend(all.iter().map(|&name| name.to_owned()));
        let pairs =
            examples.iter().zip(predictions).filter_map(|(example, prediction)| match (&example.gold, prediction) {
                (Some(Gold::Labels { holds, unseen }), Prediction::Labels { probabilities }) => {
                    let beyond = all.iter().map(|&name| unseen.iter().any(|other| other == name));
                    let gold: Vec<bool> = holds.iter().copied().chain(beyond).collect();
                    let mut said: Vec<bool> = probabilities.iter().map(|&p| p > HOLDS).collect();
                    said.resize(gold.len(), false);
                    Some((gold, said))
                }
                _ => None,
            });
        let (gold, predicted): (Vec<_>, Vec<_>) = pairs.unzip();
        (MultiLabel::new(&gold, &predicted), names)
    }
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
            Some(Gold::Unseen(_)) => Target::Class(NO_CLASS),
            Some(Gold::Labels { holds, .. }) => Target::Values(holds.iter().map(|&holds| f32::from(holds)).collect()),
            _ => Target::Absent,
        };
        text_feature(input, target, example, how)
    }

    fn decode(&self, _input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let logits = features.first().map_or(&[][..], |(_, logits)| logits);
        match self.multi_label {
            true => Prediction::Labels { probabilities: logits.iter().map(|&logit| sigmoid(logit.into())).collect() },
            false => Prediction::Class { probabilities: softmax(logits) },
        }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let named = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        if self.multi_label {
            let scores = self.several(examples, predictions).0.filter(|scores| scores.examples > 0);
            return scores.map_or_else(Metrics::new, |scores| {
                named(&[
                    ("subset_accuracy", scores.subset_accuracy()),
                    ("micro_f1", scores.micro_f1()),
                    ("macro_f1", scores.macro_f1()),
                ])
            });
        }
        let (gold, predicted, names) = self.classes(examples, predictions);
        let confusion = Confusion::new(&gold, &predicted, names.len()).filter(|confusion| confusion.total() > 0);
        confusion.map_or_else(Metrics::new, |confusion| {
            let mut metrics: Metrics = named(&[
                ("accuracy", confusion.accuracy()),
                ("macro_f1", confusion.macro_f1()),
                ("micro_f1", confusion.micro_f1()),
            ]);
            metrics.extend(confusion.matthews().map(|matthews| ("matthews".to_owned(), matthews)));
            // Of two classes either may be the one that is looked for.
            if let [first, second] = &self.labels[..] {
                metrics.insert(format!("f1[{first}]"), confusion.f1_of(0));
                metrics.insert(format!("f1[{second}]"), confusion.f1_of(1));
            }
            metrics
        })
    }

    fn main_metric(&self) -> &'static str {
        if self.multi_label { "micro_f1" } else { "accuracy" }
    }

    fn baseline(&self, train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        let labels = self.labels.len();
        let mut counts = vec![0usize; labels];
        for example in train {
            match &example.gold {
                Some(Gold::Class(class)) => counts[*class] += 1,
                Some(Gold::Labels { holds, .. }) => {
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

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<ResultTable> {
        if self.multi_label {
            let (scores, names) = self.several(examples, predictions);
            let table = |scores: MultiLabel| by_class(names.iter().map(String::as_str).zip(scores.labels));
            return scores.map(table).into_iter().collect();
        }
        let (gold, predicted, names) = self.classes(examples, predictions);
        let Some(confusion) = Confusion::new(&gold, &predicted, names.len()) else { return Vec::new() };
        let classes = names.iter().enumerate().map(|(number, name)| (name.as_str(), confusion.class(number)));
        let mut columns = vec!["gold \\ predicted".to_owned()];
        columns.extend(names.clone());
        let row = |(name, counts): (&String, &Vec<usize>)| {
            std::iter::once(Cell::Name(name.clone())).chain(counts.iter().copied().map(Cell::Count)).collect()
        };
        let rows = names.iter().zip(&confusion.table).map(row).collect();
        vec![by_class(classes), ResultTable { title: "confusion".into(), columns, rows }]
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        self.read_labelled(path, gold, reading)
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

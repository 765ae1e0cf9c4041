//! One label of several for a text or a pair, or several labels at once.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, NO_CLASS, Target};
use super::network::{Head, Loss};
use super::read::{Hidden, Loaded, Need, Reading, Value, named, names as names_of};
use super::task::{Cell, Encoding, Metrics, Table, Work};
use super::texts::{TextRow, read_texts};
use crate::count::counted as count_of;
use crate::error::{Error, Result};
use crate::metrics::{Confusion, Counts, MultiLabel};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The task with the labels of its training data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// By number if all are numbers, else by name.
    pub labels: Vec<String>,
    /// Whether a text may have several labels.
    pub multi_label: bool,
}

/// Of a file that must have labels.
const NO_LABELS: &str = "no row has a label; expected a column \"label\", or --label-column";

/// A probability above which a label of several holds.
const HOLDS: f64 = 0.5;

impl Classification {
    /// The task that the labels of the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used; one class only.
    pub fn prepare(path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        let rows = read_texts(path, Need::Optional, reading)?;
        if rows.rows.iter().all(|row| row.labels.is_none()) {
            return Err(Error::input(path, NO_LABELS));
        }
        let lists = rows.rows.iter().any(|row| matches!(row.labels, Some(Value::List(_))));
        let multi_label = reading.multi_label || lists;
        let given = names_of(reading)?;
        let counts = counted(&rows.rows, multi_label);
        let hidden = Hidden::in_training(&counts);
        let found: BTreeSet<String> = counts.keys().filter(|label| !hidden.has(label)).cloned().collect();
        let mut labels: Vec<String> = if given.is_empty() { found.into_iter().collect() } else { given.clone() };
        if given.is_empty() && labels.iter().all(|label| label.parse::<i64>().is_ok()) {
            labels.sort_by_key(|label| label.parse::<i64>().unwrap_or(0));
        }
        let fewest = if multi_label { 1 } else { 2 };
        if labels.len() < fewest {
            let found = labels.first().map_or("none".into(), |label| format!("only \"{label}\""));
            return Err(Error::input(path, format!("column \"label\": {found}; expected {fewest} classes or more")));
        }
        let task = Self { labels, multi_label };
        let mut examples = task.examples(rows, &hidden, &counts, Need::Required, reading)?;
        examples.notes.push(task.classes_note());
        examples.notes.extend(task.doubts(examples.rows.len()));
        Ok((task, examples))
    }

    /// Whoever trains or judges needs examples with labels; for a test set that has none, they are all without.
    fn examples(
        &self,
        rows: Loaded<TextRow>,
        hidden: &Hidden,
        counts: &BTreeMap<String, usize>,
        need: Need,
        reading: &Reading,
    ) -> Result<Loaded<Example>> {
        let mut given = names_of(reading)?;
        let is_number = |label: &String| label.parse::<usize>().is_ok();
        // Numbers that the model does not have are those of its labels.
        let numbers = counts.keys().filter(|label| !hidden.has(label)).all(is_number) && !counts.is_empty();
        if given.is_empty() && numbers && !self.labels.iter().any(is_number) {
            given.clone_from(&self.labels);
        }
        let by_number = (!given.is_empty() && numbers).then(|| numbered(&given, "label"));
        // A text of a file with labels may have none of several.
        let is_absent = rows.rows.iter().all(|row| row.labels.is_none());
        let mut examples = rows.convert(reading.skip_bad_rows, "rows", |row| {
            let gold = if is_absent { Ok(None) } else { self.gold(row.labels.as_ref(), hidden, &given) };
            let example = gold.map(|gold| Example { input: row.input, gold, group: String::new(), line: row.line });
            (Some(row.line), example)
        })?;
        if need == Need::Ignored {
            return Ok(examples);
        }
        examples.notes.extend(by_number);
        examples.notes.extend(hidden.note(counts, "row"));
        if need == Need::Required {
            examples.rows.retain(|example| example.gold.is_some());
        }
        if need == Need::Required && examples.rows.is_empty() {
            return Err(Error::input(&examples.path, "no row has a label"));
        }
        let unseen: BTreeSet<&str> = examples.rows.iter().flat_map(unseen).collect();
        if !unseen.is_empty() {
            let count = examples.rows.iter().filter(|example| unseen_in(example)).count();
            let names: Vec<String> = unseen.iter().take(5).map(|name| format!("\"{name}\"")).collect();
            let more = if unseen.len() > 5 { ", ..." } else { "" };
            let note = format!(
                "{} with labels that the model does not know, and so misses: {}{more}",
                count_of(count, "row"),
                names.join(", ")
            );
            examples.notes.push(note);
        }
        Ok(examples)
    }

    /// What is right for a row; nothing where it has no label, or a mark in its place.
    fn gold(
        &self,
        value: Option<&Value>,
        hidden: &Hidden,
        given: &[String],
    ) -> std::result::Result<Option<Gold>, String> {
        let names = names(value, self.multi_label);
        if names.iter().any(|name| hidden.has(name)) || (value.is_none() && !self.multi_label) {
            return Ok(None);
        }
        let number = |name: &str| self.labels.iter().position(|label| label == name || is_same_number(label, name));
        let named = |name: &String| -> std::result::Result<String, String> {
            let of_list = named(name, given).map_err(|message| format!("column \"label\": {message}"))?;
            Ok(of_list.to_owned())
        };
        let names: Vec<String> = names.iter().map(named).collect::<std::result::Result<_, _>>()?;
        if self.multi_label {
            let mut holds = vec![false; self.labels.len()];
            let mut unseen = Vec::new();
            for name in names {
                match number(&name) {
                    Some(number) => holds[number] = true,
                    None => unseen.push(name),
                }
            }
            return Ok(Some(Gold::Labels { holds, unseen }));
        }
        match &names[..] {
            [name] => Ok(Some(number(name).map_or_else(|| Gold::Unseen(name.clone()), Gold::Class))),
            _ => Err(format!("column \"label\": {} labels; expected one", names.len())),
        }
    }

    /// How many classes there are, and the first of them.
    fn classes_note(&self) -> String {
        const SHOWN: usize = 8;
        let more = if self.labels.len() > SHOWN { ", ..." } else { "" };
        let (count, shown) =
            (self.labels.len(), self.labels.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
        let kind = if self.multi_label { "labels, any number of them a text" } else { "classes" };
        format!("{count} {kind}: {shown}{more}")
    }

    /// What speaks against the labels being meant so.
    fn doubts(&self, rows: usize) -> Vec<String> {
        let count = self.labels.len();
        let mut doubts = Vec::new();
        if !self.multi_label && count > 10 && count * 2 > rows {
            doubts.push(format!(
                "warning: {count} classes in {rows} rows; is this the column of labels? --label-column chooses one"
            ));
        }
        let is_real = |label: &String| label.parse::<f64>().is_ok() && label.parse::<i64>().is_err();
        if self.labels.iter().all(|label| label.parse::<f64>().is_ok()) && self.labels.iter().any(is_real) {
            doubts.push("warning: the classes are real numbers; --task regression predicts numbers".into());
        }
        let mut by_case: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for label in &self.labels {
            by_case.entry(label.to_lowercase()).or_default().push(label);
        }
        if let Some(same) = by_case.values().find(|same| same.len() > 1) {
            doubts.push(format!("warning: the classes {} differ in case only", same.join(", ")));
        }
        doubts
    }

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

/// The labels of an example that the model cannot say.
fn unseen(example: &Example) -> impl Iterator<Item = &str> {
    let (one, several) = match &example.gold {
        Some(Gold::Unseen(name)) => (Some(name.as_str()), &[][..]),
        Some(Gold::Labels { unseen, .. }) => (None, &unseen[..]),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(several.iter().map(String::as_str))
}

fn unseen_in(example: &Example) -> bool {
    unseen(example).next().is_some()
}

/// What numbers are taken for.
pub(super) fn numbered(names: &[String], what: &str) -> String {
    let first: Vec<String> =
        names.iter().enumerate().take(3).map(|(number, name)| format!("{number} = {name}")).collect();
    let more = if names.len() > 3 { ", ..." } else { "" };
    format!("{what}s are numbers: {}{more}", first.join(", "))
}

/// How many rows have each label; one without any has the empty one, unless it may have none.
fn counted(rows: &[TextRow], multi_label: bool) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        let names = names(row.labels.as_ref(), multi_label);
        if names.is_empty() && !multi_label {
            *counts.entry(String::new()).or_default() += 1;
        }
        names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    counts
}

/// Whether two labels are the same whole number: `1` and `1.0`.
fn is_same_number(one: &str, other: &str) -> bool {
    let whole = |text: &str| text.parse::<f64>().ok().filter(|value| value.fract() == 0.0);
    whole(one).is_some_and(|value| whole(other) == Some(value))
}

/// The names of labels in a cell; several between `|`.
fn names(value: Option<&Value>, multi_label: bool) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::List(names)) => names.clone(),
        Some(Value::Text(text)) if multi_label => {
            text.split('|').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        Some(Value::Text(text)) => vec![whole(text.trim())],
    }
}

/// A whole number without the decimals that some exports give it: `1` for `1.0`.
fn whole(label: &str) -> String {
    let without = label.strip_suffix(".0").filter(|number| number.parse::<i64>().is_ok());
    without.unwrap_or(label).to_owned()
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
        let figures = [counts.precision(), counts.recall(), counts.f1()].map(Cell::Figure);
        [vec![Cell::Name(name.to_owned())], figures.into(), vec![Cell::Count(counts.gold)]].concat()
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
            Some(Gold::Unseen(_)) => Target::Class(NO_CLASS),
            Some(Gold::Labels { holds, .. }) => Target::Values(holds.iter().map(|&holds| f32::from(holds)).collect()),
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
                ("matthews", confusion.matthews()),
            ]);
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

    fn tables(&self, examples: &[Example], predictions: &[Prediction]) -> Vec<Table> {
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
        vec![by_class(classes), Table { title: "confusion".into(), columns, rows }]
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        // A text with several labels may have none, and a row without a label is left out and counted, not bad.
        let rows = read_texts(path, if gold == Need::Ignored { gold } else { Need::Optional }, reading)?;
        if gold == Need::Required && rows.rows.iter().all(|row| row.labels.is_none()) {
            return Err(Error::input(path, NO_LABELS));
        }
        let counts = if gold == Need::Ignored { BTreeMap::new() } else { counted(&rows.rows, self.multi_label) };
        let hidden = Hidden::in_judging(&counts, &self.labels);
        self.examples(rows, &hidden, &counts, gold, reading)
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

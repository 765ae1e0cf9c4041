//! A number for a text or a pair: a similarity, a sentiment.

use super::example::{Example, Gold, Input, Prediction};
use super::feature::{Feature, Target};
use super::network::{Head, Loss};
use super::read::{Hidden, Loaded, Need, Reading, SCORE, Value};
use super::shared::text_feature;
use super::task::{Encoding, Metrics, ResultTable, Work};
use super::texts::read_texts;
use crate::error::{Error, Result};
use crate::metrics::{mean_absolute_error, mean_squared_error, pearson, spearman};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression {}

/// Mean of the gold numbers.
fn mean(examples: &[Example]) -> f64 {
    let values = examples.iter().filter_map(|example| match example.gold {
        Some(Gold::Value(value)) => Some(value),
        _ => None,
    });
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / count.max(1) as f64
}

impl Work for Regression {
    fn head(&self) -> Head {
        Head::Sequence(1)
    }

    fn loss(&self) -> Loss {
        Loss::Squares
    }

    fn labels(&self) -> &[String] {
        &[]
    }

    fn features(&self, input: &Input, gold: Option<&Gold>, example: usize, how: Encoding) -> Result<Vec<Feature>> {
        let target = match gold {
            Some(Gold::Value(value)) => Target::Values(vec![*value as f32]),
            _ => Target::Absent,
        };
        text_feature(input, target, example, how)
    }

    fn decode(&self, _input: &Input, features: &[(&Feature, &[f32])]) -> Prediction {
        let logit = features.first().and_then(|(_, logits)| logits.first().copied());
        Prediction::Value { score: logit.map_or(f64::NAN, f64::from) }
    }

    fn metrics(&self, examples: &[Example], predictions: &[Prediction]) -> Metrics {
        let pairs = examples.iter().zip(predictions).filter_map(|pair| match (&pair.0.gold, pair.1) {
            (Some(Gold::Value(gold)), Prediction::Value { score }) => Some((*gold, *score)),
            _ => None,
        });
        let (gold, predicted): (Vec<f64>, Vec<f64>) = pairs.unzip();
        // Of constant numbers a correlation is not defined.
        [
            ("pearson", pearson(&gold, &predicted)),
            ("spearman", spearman(&gold, &predicted)),
            ("mean_squared_error", mean_squared_error(&gold, &predicted)),
            ("mean_absolute_error", mean_absolute_error(&gold, &predicted)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }

    fn main_metric(&self) -> &'static str {
        "pearson"
    }

    fn metric_names(&self, _examples: &[Example]) -> Vec<String> {
        ["pearson", "spearman", "mean_squared_error", "mean_absolute_error"].map(str::to_owned).into()
    }

    fn baseline(&self, train: &[Example], examples: &[Example]) -> (&'static str, Vec<Prediction>) {
        ("the mean", vec![Prediction::Value { score: mean(train) }; examples.len()])
    }

    fn tables(&self, _examples: &[Example], _predictions: &[Prediction]) -> Vec<ResultTable> {
        Vec::new()
    }

    fn read(&self, path: &Path, gold: Need, reading: &Reading) -> Result<Loaded<Example>> {
        let rows = read_texts(path, gold, SCORE, reading)?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in &rows.rows {
            let label = match &row.labels {
                Some(Value::Text(label)) => label.trim(),
                Some(Value::List(_)) => continue,
                None => "",
            };
            *counts.entry(label.to_owned()).or_default() += 1;
        }
        let hidden = Hidden::in_numbers(&counts);
        let is_hidden = |value: &Value| matches!(value, Value::Text(text) if hidden.has(text.trim()));
        let mut examples = rows.convert(reading.skip_bad_rows, "rows", |row| {
            let gold = row.labels.filter(|value| !is_hidden(value)).map(|value| match value {
                Value::Text(text) => match text.trim().parse::<f64>() {
                    Ok(value) if (value as f32).is_finite() => Ok(Gold::Value(value)),
                    Ok(value) if !value.is_finite() => Err(format!("column \"score\": {text} is no finite number")),
                    Ok(_) => Err(format!("column \"score\": {text} is larger than single precision holds")),
                    _ => Err(format!("column \"score\": \"{text}\" is not a number")),
                },
                Value::List(_) => Err("column \"score\": a list; expected a number".into()),
            });
            let example =
                gold.transpose().map(|gold| Example { input: row.input, gold, group: String::new(), line: row.line });
            (Some(row.line), example)
        })?;
        if gold == Need::Ignored {
            return Ok(examples);
        }
        examples.notes.extend(hidden.note(&counts, "row"));
        if gold == Need::Required {
            examples.rows.retain(|example| example.gold.is_some());
        }
        if gold == Need::Required && examples.rows.is_empty() {
            let message = "no row has a number to predict; --label-column names another column";
            return Err(Error::input(path, message));
        }
        Ok(examples)
    }

    fn initial_bias(&self, examples: &[Example]) -> Option<Vec<f32>> {
        Some(vec![mean(examples) as f32])
    }

    fn to_json(&self, _input: &Input, prediction: &Prediction, _top_k: usize) -> Json {
        match prediction {
            Prediction::Value { score } => json!({"score": score}),
            _ => Json::Null,
        }
    }
}

//! Models that other programs have fine-tuned: what their `config.json` says of the task.

use super::classification::Classification;
use super::question_answering::{QuestionAnswering, max_answer_length};
use super::ranking::RankingTask;
use super::registry::Task;
use super::regression::Regression;
use super::token_classification::TokenClassification;
use crate::config::Kind;
use crate::error::{Error, Result};
use electra_runs::counted;
use serde_json::Value;
use std::path::Path;

/// What a model with this `config.json` was fine-tuned for, by its class and, of a classifier, by `transformers`' rule: one output
/// is a number, several are classes, unless `problem_type` says it. Nothing for a class without a head for a task.
pub(super) fn kind(json: &Value) -> Option<Kind> {
    match json["architectures"][0].as_str()? {
        "ElectraForTokenClassification" => Some(Kind::TokenClassification),
        "ElectraForQuestionAnswering" => Some(Kind::QuestionAnswering),
        "ElectraForSequenceClassification" => {
            let names = json["id2label"].as_object().map(|names| names.len() as u64);
            let outputs = names.or(json["num_labels"].as_u64()).unwrap_or(2);
            let is_number = json["problem_type"].as_str().map_or(outputs == 1, |kind| kind == "regression");
            Some(if is_number { Kind::Regression } else { Kind::Classification })
        }
        _ => None,
    }
}

/// The task of a model whose `config.json` at `path` is `json`, which was fine-tuned for `kind`.
///
/// # Errors
/// [`Error::Input`] for a model of another class, and for labels that are not numbered from 0 on.
pub(super) fn task(path: &Path, json: &Value, kind: Kind) -> Result<Task> {
    let expected = match kind {
        Kind::TokenClassification => "ElectraForTokenClassification",
        Kind::QuestionAnswering => "ElectraForQuestionAnswering",
        Kind::Classification | Kind::Regression | Kind::Ranking => "ElectraForSequenceClassification",
        Kind::Recommendation => {
            return Err(Error::input(
                path,
                "no other program writes models for recommendation; expected one of our own",
            ));
        }
    };
    let class = json["architectures"][0].as_str().unwrap_or(expected);
    if class != expected {
        return Err(Error::input(path, format!("the architecture is {class}; {} expects {expected}", kind.name())));
    }
    let labels = labels(path, json)?;
    let one = |what: &str| match labels.len() {
        1 => Ok(()),
        count => Err(Error::input(path, format!("the model has {count} outputs; {what} expects one"))),
    };
    Ok(match kind {
        Kind::Classification => {
            let kind = json["problem_type"].as_str().unwrap_or_default();
            if labels.len() < 2 || kind == "regression" {
                let message = format!(
                    "the model has {} and its problem_type is \"{kind}\"; expected classes, or --task regression",
                    counted(labels.len(), "output")
                );
                return Err(Error::input(path, message));
            }
            let multi_label = json["problem_type"] == "multi_label_classification";
            Task::Classification(Classification { labels, multi_label })
        }
        Kind::Regression => {
            one("regression")?;
            Task::Regression(Regression {})
        }
        Kind::Ranking => {
            one("ranking")?;
            Task::Ranking(RankingTask { max_grade: 1 })
        }
        Kind::TokenClassification => Task::TokenClassification(TokenClassification { labels }),
        Kind::QuestionAnswering | Kind::Recommendation => Task::QuestionAnswering(QuestionAnswering {
            unanswerable: false,
            no_answer_threshold: 0.0,
            max_answer_length: max_answer_length(),
        }),
    })
}

/// The labels in the order of their numbers; `LABEL_0` and so on, where they have no names.
fn labels(path: &Path, json: &Value) -> Result<Vec<String>> {
    let count = json["num_labels"].as_u64().unwrap_or(2).min(1 << 20);
    let Some(names) = json["id2label"].as_object() else {
        return Ok((0..count).map(|number| format!("LABEL_{number}")).collect());
    };
    let name = |number: usize| {
        let name = names.get(&number.to_string());
        let name =
            name.and_then(|name| name.as_str().map(str::to_owned).or_else(|| name.as_u64().map(|n| n.to_string())));
        name.ok_or_else(|| {
            Error::input(path, format!("id2label has no name for {number}; expected one for each number from 0 on"))
        })
    };
    let names: Vec<String> = (0..names.len()).map(name).collect::<Result<_>>()?;
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((at, name)) => {
            Err(Error::input(path, format!("id2label has \"{name}\" for {at} and for another; expected it once")))
        }
        None => Ok(names),
    }
}

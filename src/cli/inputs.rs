//! Inputs of fine-tuned models, from labelled files or one a line.

use electra_burn::tasks::{Input, Kind};
use electra_burn::{Error, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Whether a file is one of those that the task is trained on, rather than plain lines.
pub fn is_labelled_format(path: &Path, kind: Kind) -> bool {
    let extensions: &[&str] = match kind {
        Kind::QuestionAnswering => &["json"],
        Kind::TokenClassification => &["conll", "iob", "bio", "jsonl"],
        _ => &["csv", "tsv", "jsonl", "ndjson"],
    };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

/// Reads inputs line by line (`-`: standard input) and hands them on in chunks of `size`, until `answer` says that nobody
/// listens.
pub fn by_line(
    path: &Path,
    size: usize,
    parse: &dyn Fn(&str) -> std::result::Result<Input, String>,
    answer: &mut dyn FnMut(&[Input]) -> Result<bool>,
) -> Result<()> {
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| Error::input(path, error.to_string()))?))
    };
    let mut chunk = Vec::with_capacity(size);
    for (number, line) in (1..).zip(reader.lines()) {
        let unusable = |message: String| Error::Input { path: path.to_owned(), line: Some(number), message };
        let line = line.map_err(|error| unusable(error.to_string()))?;
        chunk.push(parse(&line).map_err(unusable)?);
        if chunk.len() == size {
            if !answer(&chunk)? {
                return Ok(());
            }
            chunk.clear();
        }
    }
    answer(&chunk).map(|_| ())
}

/// What a line holds for a task: a text, a pair between tabs, words, a question and its context.
pub fn parse(line: &str, kind: Kind) -> std::result::Result<Input, String> {
    let pair = line.split_once('\t');
    let is_json = line.starts_with('{');
    let object = || serde_json::from_str::<Value>(line).map_err(|error| format!("the object does not parse: {error}"));
    let field = |object: &Value, name: &str| {
        object[name].as_str().map(str::to_owned).ok_or_else(|| format!("the object has no text \"{name}\""))
    };
    match (kind, pair) {
        (Kind::QuestionAnswering, _) if is_json => {
            let object = object()?;
            Ok(Input::Question { question: field(&object, "question")?, context: field(&object, "context")?.into() })
        }
        (Kind::QuestionAnswering, Some((question, context))) => {
            Ok(Input::Question { question: question.to_owned(), context: context.into() })
        }
        (Kind::QuestionAnswering, None) => {
            Err("expected a question and a context between tabs, or an object with both".into())
        }
        (Kind::Ranking, None) => Err("expected a query and a document between tabs".into()),
        (Kind::TokenClassification | Kind::Recommendation, _) => {
            Ok(Input::Words(line.split_whitespace().map(str::to_owned).collect()))
        }
        (_, Some((first, second))) => Ok(Input::Pair(first.to_owned(), second.to_owned())),
        (_, None) => Ok(Input::Text(line.to_owned())),
    }
}

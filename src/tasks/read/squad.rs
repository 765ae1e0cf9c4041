//! Questions with the spans that answer them, in the JSON of SQuAD 1.1 and 2.0, or a question a row as `datasets` writes it.

use super::bad::{Collector, Loaded};
use super::form::{Layout, json as layout_of};
use super::source::{LabelledFile, position};
use super::table::objects;
use super::{Need, Reading, json, shorten};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

type Outcome<T> = std::result::Result<T, String>;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SquadQuestion {
    /// What predictions are listed under; no two questions share one.
    pub id: String,
    /// The article's title; empty where there is none.
    pub title: String,
    /// The question.
    pub question: String,
    /// The text that may hold the answer; the questions about it share it.
    pub context: Arc<str>,
    /// The spans that answer; empty where the question is impossible, `None` in a set without gold.
    pub answers: Option<Vec<Answer>>,
    /// Whether the context does not answer the question.
    pub is_impossible: bool,
}

/// A span of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text of the span.
    pub text: String,
    /// Where it begins in the context, in characters (code points).
    pub start: usize,
}

/// What is asked of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Whether there must be some.
    pub need: Need,
    /// Whether they must stand in the context where they say: who trains needs their place, who judges only their text.
    pub placed: bool,
}

/// Reads a file of SQuAD's form, or rows with a question and its context each.
///
/// # Errors
/// [`Error::Input`] for a file of another form, and for a bad question that is not to be left out.
pub fn read_squad(path: &Path, answers: Answers, reading: &Reading) -> Result<Loaded<SquadQuestion>> {
    let source = LabelledFile::open(path)?;
    let text = source.text()?;
    let questions = Collector::new(path, reading.skip_bad_rows);
    let mut walk = Walk { text, answers, seen: HashMap::new(), questions };
    let root = crate::json::parse(text);
    let articles = root.as_ref().ok().and_then(|root| root.get("data")).and_then(Value::as_array);
    let is_nested = |articles: &Vec<Value>| articles.first().is_none_or(|first| first.get("context").is_none());
    if let Some(articles) = articles.filter(|articles| is_nested(articles)) {
        for (at, article) in articles.iter().enumerate() {
            walk.article(article, &format!("data[{at}]"))?;
        }
        return walk.questions.finish("questions");
    }
    if let Ok(root @ Value::Object(_)) = &root
        && root.get("context").is_none()
    {
        array(root, "data").map_err(|what| Error::input(path, format!("{what}, as SQuAD has it")))?;
    }
    let layout = layout_of(&source);
    if let (Layout::JsonArray, Err(error)) = (layout, &root) {
        let message = format!("{error}; expected JSON in the form of SQuAD, or a question a row");
        return Err(Error::Input { path: path.to_owned(), line: Some(error.line()), message });
    }
    for (number, row) in objects(path, &source, layout)? {
        match row {
            Ok(row) => walk.row(number, &Value::Object(row))?,
            Err(message) => walk.questions.add(Some(number), Err(message))?,
        }
    }
    walk.questions.finish("questions")
}

/// On its way through the file.
struct Walk<'a> {
    text: &'a str,
    answers: Answers,
    /// How often each id has come.
    seen: HashMap<String, usize>,
    questions: Collector<SquadQuestion>,
}

impl Walk<'_> {
    /// A row that has a question with its context.
    fn row(&mut self, number: usize, row: &Value) -> Result<()> {
        let title = row.get("title").and_then(json::scalar).unwrap_or_default();
        match string(row, "context") {
            Ok(context) => self.question(row, &title, &Arc::from(context), &format!("row {number}")),
            Err(message) => self.questions.add(Some(number), Err(message)),
        }
    }

    fn article(&mut self, article: &Value, place: &str) -> Result<()> {
        let title = article.get("title").and_then(json::scalar).unwrap_or_default();
        let paragraphs = match array(article, "paragraphs") {
            Ok(paragraphs) => paragraphs,
            Err(message) => return self.questions.add(None, Err(format!("{place}: {message}"))),
        };
        for (at, paragraph) in paragraphs.iter().enumerate() {
            self.paragraph(paragraph, &title, &format!("{place}.paragraphs[{at}]"))?;
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: &Value, title: &str, place: &str) -> Result<()> {
        let parts = string(paragraph, "context").and_then(|context| Ok((context, array(paragraph, "qas")?)));
        let (context, questions) = match parts {
            Ok((context, questions)) => (Arc::<str>::from(context), questions),
            Err(message) => return self.questions.add(None, Err(format!("{place}: {message}"))),
        };
        for (at, question) in questions.iter().enumerate() {
            self.question(question, title, &context, &format!("{place}.qas[{at}]"))?;
        }
        Ok(())
    }

    fn question(&mut self, value: &Value, title: &str, context: &Arc<str>, place: &str) -> Result<()> {
        let is_judged = self.answers.need != Need::Ignored;
        let id = match string(value, "id") {
            Ok(id) => id,
            Err(_) if !is_judged => place.to_owned(),
            Err(message) => return self.questions.add(None, Err(format!("{place}: {message}"))),
        };
        let before = *self.seen.entry(id.clone()).and_modify(|times| *times += 1).or_insert(0);
        let row = if before > 0 && is_judged {
            Err(format!("{place}: the id \"{id}\" has come before; expected one question under each id"))
        } else {
            let named = |(inner, message)| format!("{place}{inner}: question \"{id}\": {message}");
            read_question(value, context, self.answers)
                .map(|(question, answers, is_impossible)| SquadQuestion {
                    id: id.clone(),
                    title: title.to_owned(),
                    question,
                    context: context.clone(),
                    answers,
                    is_impossible,
                })
                .map_err(named)
        };
        // Looking for the line goes through the whole text, so only messages that are shown are worth it.
        let line = if row.is_err() && self.questions.loaded.skipped.keeps() { self.line(&id, before) } else { None };
        self.questions.add(line, row)
    }

    /// The line of an id that comes after `before` others like it; `None` where the file writes it with escapes.
    fn line(&self, id: &str, before: usize) -> Option<usize> {
        let (offset, _) = self.text.match_indices(&format!("\"{id}\"")).nth(before)?;
        Some(position(self.text.as_bytes(), offset).0)
    }
}

/// What is wrong, after the path within the question.
type Within<T> = std::result::Result<T, (String, String)>;

/// The text of a question, its answers and whether it is impossible.
fn read_question(value: &Value, context: &str, asked: Answers) -> Within<(String, Option<Vec<Answer>>, bool)> {
    let here = |message| (String::new(), message);
    let question = string(value, "question").map_err(here)?;
    if asked.need == Need::Ignored {
        return Ok((question, None, false));
    }
    let said = match value.get("is_impossible") {
        None | Some(Value::Null) => None,
        Some(Value::Bool(impossible)) => Some(*impossible),
        Some(other) => return Err(here(format!("is_impossible is {}; expected true or false", json::kind(other)))),
    };
    if value.get("answers").is_none_or(Value::is_null) && asked.need == Need::Optional {
        return Ok((question, None, said.unwrap_or(false)));
    }
    let mut answers = Vec::new();
    for (at, answer) in listed(value).map_err(here)?.iter().enumerate() {
        let answer = read_answer(answer, context, asked.placed);
        answers.push(answer.map_err(|message| (format!(".answers[{at}]"), message))?);
    }
    match (said, answers.len()) {
        (Some(true), 1..) => Err(here("is_impossible is true, but there are answers; expected none".into())),
        (Some(false), 0) => Err(here("is_impossible is false, but there are no answers; expected one at least".into())),
        (said, found) => Ok((question, Some(answers), said.unwrap_or(found == 0))),
    }
}

/// The answers of a question: an array of objects, or an object of arrays as `datasets` writes it.
fn listed(value: &Value) -> Outcome<Vec<Value>> {
    let Some(Value::Object(columns)) = value.get("answers") else { return array(value, "answers").cloned() };
    let column = |name: &str| {
        let column = columns.get(name).and_then(Value::as_array);
        column.ok_or_else(|| format!("\"answers\" has no array \"{name}\"; expected texts and where they start"))
    };
    let (texts, starts) = (column("text")?, column("answer_start")?);
    if texts.len() != starts.len() {
        return Err(format!("\"answers\" has {} texts and {} starts; expected as many", texts.len(), starts.len()));
    }
    let answer = |(text, start): (&Value, &Value)| serde_json::json!({"text": text, "answer_start": start});
    Ok(texts.iter().zip(starts).map(answer).collect())
}

fn read_answer(value: &Value, context: &str, placed: bool) -> Outcome<Answer> {
    let text = string(value, "text")?;
    if !placed {
        let start = value.get("answer_start").and_then(Value::as_u64).and_then(|start| usize::try_from(start).ok());
        return Ok(Answer { text, start: start.unwrap_or(0) });
    }
    let start = match value.get("answer_start") {
        None => return Err("there is no \"answer_start\"; expected a number of characters".into()),
        Some(start) => start.as_u64().and_then(|start| usize::try_from(start).ok()).ok_or_else(|| {
            format!("answer_start is {}; expected a number of characters", shorten(&start.to_string()))
        })?,
    };
    let Some((offset, _)) = context.char_indices().nth(start) else {
        let length = context.chars().count();
        return Err(format!("answer_start is {start}; expected less than {length}, the characters of the context"));
    };
    let rest = context.get(offset..).unwrap_or_default();
    if !rest.starts_with(&text) {
        let there: String = rest.chars().take(text.chars().count()).collect();
        let (there, text) = (shorten(&there), shorten(&text));
        return Err(format!("the context has {there} at character {start}; expected the answer's text, {text}"));
    }
    Ok(Answer { text, start })
}

fn array<'a>(value: &'a Value, name: &str) -> Outcome<&'a Vec<Value>> {
    match value.get(name) {
        Some(Value::Array(values)) => Ok(values),
        Some(other) => Err(format!("\"{name}\" is {}; expected an array", json::kind(other))),
        None => Err(format!("there is no \"{name}\"; expected an array")),
    }
}

fn string(value: &Value, name: &str) -> Outcome<String> {
    let found = value.get(name).ok_or_else(|| format!("there is no \"{name}\"; expected a string"))?;
    json::text(name, found)
}

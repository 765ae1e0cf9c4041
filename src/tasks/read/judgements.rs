//! The single files of a TREC collection: judgements, runs and texts.

use super::bad::{Loaded, Skipped, by_line};
use super::{is_blank, json, shorten};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

type Outcome<T> = std::result::Result<T, String>;

/// Names of the field that holds an id.
const IDS: &[&str] = &["_id", "id"];

/// The header of BEIR's qrels, which lack the second column.
const BEIR: [&str; 3] = ["query-id", "corpus-id", "score"];

/// Texts by their ids.
pub(super) type Texts = HashMap<String, Arc<str>>;

/// A document that a line of the qrels or of a run puts beside a query.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub line: usize,
    pub query: String,
    pub document: String,
    pub grade: i32,
}

impl Link {
    /// What tells links apart.
    pub(super) fn pair(&self) -> (&str, &str) {
        (&self.query, &self.document)
    }
}

/// Reads `query 0 document grade`, or BEIR's `query-id corpus-id score`.
pub(super) fn read_qrels(path: &Path, skip: bool) -> Result<Loaded<Link>> {
    let mut seen = JudgedPairs::default();
    let mut beir = false;
    let mut qrels = by_line(path, skip, "judgements", |line, text| {
        let fields: Vec<_> = text.split_whitespace().collect();
        if line == 1 && fields == BEIR {
            beir = true;
            return Ok(None);
        }
        let (query, document, grade) = match fields.as_slice() {
            [query, _, document, grade] if !beir => (*query, *document, *grade),
            [query, document, grade] if beir => (*query, *document, *grade),
            other => {
                let form = if beir { "query-id corpus-id score" } else { "query 0 document grade" };
                return Err(format!("the line has {} columns; expected {form}", other.len()));
            }
        };
        let grade = grade.parse().map_err(|_| format!("the grade is {}; expected a whole number", shorten(grade)))?;
        seen.check(query, document)?;
        Ok(Some(Link { line, query: query.into(), document: document.into(), grade }))
    })?;
    let rows: Vec<Link> = std::mem::take(&mut qrels.rows).into_iter().flatten().collect();
    if rows.is_empty() {
        return Err(Error::input(path, "there are no judgements after the header"));
    }
    Ok(Loaded { path: qrels.path, rows, skipped: qrels.skipped, notes: Vec::new() })
}

/// Reads `query Q0 document rank score tag`, and puts the best first by their score: the ranks of some systems begin
/// again with every file that was merged.
pub(super) fn read_run(path: &Path, skip: bool) -> Result<Loaded<Link>> {
    let mut seen = JudgedPairs::default();
    let scored = by_line(path, skip, "retrieved documents", |line, text| {
        let fields: Vec<_> = text.split_whitespace().collect();
        let [query, _, document, _, score, _] = fields.as_slice() else {
            return Err(format!("the line has {} columns; expected query Q0 document rank score tag", fields.len()));
        };
        let parsed = score.parse().ok().filter(|score: &f64| !score.is_nan());
        let parsed = parsed.ok_or_else(|| format!("the score is {}; expected a number", shorten(score)))?;
        seen.check(query, document)?;
        Ok((parsed, Link { line, query: (*query).into(), document: (*document).into(), grade: 0 }))
    })?;
    let mut rows = scored.rows;
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let rows = rows.into_iter().map(|(_, link)| link).collect();
    Ok(Loaded { path: scored.path, rows, skipped: scored.skipped, notes: Vec::new() })
}

/// Reads `id<TAB>text` or JSON lines, and keeps the texts whose ids are asked for.
pub(super) fn read_texts(path: &Path, what: &str, asked: &HashSet<&str>, skip: bool) -> Result<(Texts, Skipped)> {
    let mut texts = Texts::new();
    let is_json = json::is_json(path);
    let loaded = by_line(path, skip, what, |_, line| {
        let (id, text) = if is_json { from_json(line)? } else { from_fields(line)? };
        if !asked.contains(id.as_str()) {
            return Ok(());
        }
        if is_blank(&text) {
            return Err(format!("the text of \"{id}\" is empty; expected a text"));
        }
        if texts.contains_key(&id) {
            return Err(format!("the id \"{id}\" has come before; expected one text under each id"));
        }
        texts.insert(id, text.into());
        Ok(())
    })?;
    Ok((texts, loaded.skipped))
}

fn from_fields(line: &str) -> Outcome<(String, String)> {
    match line.split('\t').collect::<Vec<_>>().as_slice() {
        [id, text] if !is_blank(id) => Ok((id.trim().to_owned(), text.trim().to_owned())),
        [_, _] => Err("the id is empty; expected an id, a tab and a text".into()),
        [_] => Err("the line has no tab; expected an id, a tab and a text".into()),
        more => Err(format!("the line has {} fields; expected an id, a tab and a text", more.len())),
    }
}

fn from_json(line: &str) -> Outcome<(String, String)> {
    let map = json::object(line)?;
    let (name, id) = json::field(&map, IDS).ok_or_else(|| json::missing(&map, IDS))?;
    let id = json::text(&name, id)?;
    let (name, text) = json::field(&map, &["text"]).ok_or_else(|| json::missing(&map, &["text"]))?;
    // Documents of a title only occur, so a text may be empty as long as not both are.
    let text =
        json::scalar(text).ok_or_else(|| format!("the field \"{name}\" is {}; expected a string", json::kind(text)))?;
    let title = json::field(&map, &["title"]).and_then(|(_, title)| json::scalar(title)).unwrap_or_default();
    Ok((id, format!("{title} {text}").trim().to_owned()))
}

/// The pairs that a file has had.
#[derive(Default)]
struct JudgedPairs(HashSet<(String, String)>);

impl JudgedPairs {
    fn check(&mut self, query: &str, document: &str) -> Outcome<()> {
        if self.0.insert((query.to_owned(), document.to_owned())) {
            return Ok(());
        }
        Err(format!("the query \"{query}\" has had the document \"{document}\" before; expected it once"))
    }
}

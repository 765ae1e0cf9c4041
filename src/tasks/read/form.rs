//! What a file of rows looks like, found out from its contents first and its name second.

use super::columns::{DOCUMENT, LABEL, PAIRS, QUERY, Shape, TEXT};
use super::delimited::rows;
use super::interactions::Interactions;
use super::json::extension;
use super::options::check_lines;
use super::source::LabelledFile;
use super::{Form, Reading};
use super::{is_blank, trec_questions};
use crate::config::Kind;
use crate::error::{Error, Result};
use crate::rows::Fields;
use std::path::Path;

/// How the rows of a table are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Fields between tabs, commas or semicolons.
    Fields(Fields),
    /// A JSON object a line.
    JsonLines,
    /// One JSON value that holds objects in an array.
    JsonArray,
}

/// The layout of the table in `source`; nothing where it is none, but lines of text.
pub(super) fn layout(path: &Path, source: &LabelledFile, reading: &Reading) -> Option<Layout> {
    let first = first_line(source);
    match reading.format {
        Some(Form::Tsv) => return Some(Layout::Fields(tabs(source, &first, false))),
        Some(Form::Csv) => return Some(Layout::Fields(Fields::commas(&first))),
        Some(Form::Json) => return Some(json(source)),
        Some(Form::Lines | Form::Conll) => return None,
        None => {}
    }
    let name = extension(path).unwrap_or_default();
    if !["tsv", "tab", "csv"].contains(&name.as_str()) && begins_as_json(source) {
        return Some(json(source));
    }
    match name.as_str() {
        "jsonl" | "json" | "ndjson" => Some(Layout::JsonLines),
        // Some are called so and have tabs.
        "csv" if is_tabular(source) => Some(Layout::Fields(tabs(source, &first, true))),
        "csv" => Some(Layout::Fields(Fields::commas(&first))),
        "tsv" | "tab" if first.contains('\t') || !first.contains(',') => {
            Some(Layout::Fields(tabs(source, &first, false)))
        }
        _ if !reading.text_columns.is_empty() && is_tabular(source) => {
            Some(Layout::Fields(tabs(source, &first, false)))
        }
        _ => {
            let both = [tabs(source, &first, false), Fields::commas(&first)];
            both.into_iter().find(|fields| is_header(source, &first, *fields, reading)).map(Layout::Fields)
        }
    }
}

/// Whether the first line of a file whose name says nothing is a header, and not a text that happens to have such words: its
/// fields are names of columns, and the row below has as many.
fn is_header(source: &LabelledFile, first: &str, fields: Fields, reading: &Reading) -> bool {
    let names = split(first, fields);
    let is_name = |name: &String| !name.is_empty() && !name.contains(' ');
    let shape = Shape::of(&names);
    let is_meant = shape.is_some() || reading.text_columns.iter().any(|name| names.contains(name));
    // Two names that belong together are no accident.
    let is_named = matches!(shape, Some(Shape::Pair(..))) || names.iter().all(is_name);
    let row = rows(source, fields).nth(1).and_then(|(_, row)| row.ok());
    names.len() > 1 && is_meant && is_named && row.is_none_or(|row| row.len() == names.len())
}

/// Rows that are looked at.
const LOOKED_AT: usize = 1000;

/// Whether every one of the first lines has a tab.
fn is_tabular(source: &LabelledFile) -> bool {
    let mut lines = source.lines().take(LOOKED_AT).filter_map(|(_, line)| line.ok()).filter(|line| !is_blank(line));
    lines.next().is_some_and(|first| first.contains('\t')) && lines.all(|line| line.contains('\t'))
}

/// The fields of a file with tabs and the header `first`. Quotes are characters like any other, unless all names of the header
/// have them, or every field that begins with one is quoted as in CSV and some have a quote within, which is doubled there; a file
/// that is called CSV (`is_csv`) needs none within.
fn tabs(source: &LabelledFile, first: &str, is_csv: bool) -> Fields {
    let fields = Fields::tabs(first);
    let mut has_doubled = is_csv;
    let mut is_quoting = |field: &str| {
        let Some(inner) = field.strip_prefix('"') else { return true };
        let Some(inner) = inner.strip_suffix('"') else { return false };
        has_doubled |= inner.contains("\"\"");
        !inner.replace("\"\"", "").contains('"')
    };
    let lines = source.lines().take(LOOKED_AT).filter_map(|(_, line)| line.ok());
    let all = lines.flat_map(|line| line.split('\t')).all(&mut is_quoting);
    Fields { quoted: fields.quoted || all && has_doubled, ..fields }
}

/// [`layout`] of what must be a table.
///
/// # Errors
/// [`Error::Input`] for a file that is none.
pub(super) fn require(path: &Path, source: &LabelledFile, reading: &Reading) -> Result<Layout> {
    layout(path, source, reading).ok_or_else(|| {
        let message = "this is no table whose columns are known; expected JSON objects, or fields between tabs or commas below a \
                       header with the names of the columns, or --format and --text-column";
        Error::input(path, message)
    })
}

/// Whether the file at `path` holds rows of the form that `kind` is trained on, and not an input a line.
///
/// # Errors
/// [`Error::Input`] for a file that cannot be read; [`Error::Usage`] for options about rows with standard input.
pub fn holds_rows(path: &Path, kind: Kind, reading: &Reading) -> Result<bool> {
    if path == Path::new("-") {
        return check_lines(reading).map(|()| false);
    }
    if kind == Kind::Recommendation {
        let table = Interactions::of(&LabelledFile::open(path)?);
        return table.map(|table| table.is_some()).map_err(|message| Error::input(path, message));
    }
    if let Some(form) = reading.format {
        return Ok(form != Form::Lines);
    }
    if !reading.text_columns.is_empty() {
        return Ok(true);
    }
    let source = LabelledFile::open(path)?;
    Ok(match kind {
        Kind::QuestionAnswering => begins_as_json(&source),
        Kind::TokenClassification => {
            let name = extension(path).unwrap_or_default();
            let is_named = ["conll", "conllu", "iob", "iob2", "bio", "csv"].contains(&name.as_str());
            is_named || begins_as_json(&source) || is_tagged(&source)
        }
        _ => {
            layout(path, &source, reading).is_some()
                || trec_questions(path, &source, reading)?.is_some()
                || is_judgements(path)
        }
    })
}

/// Whether `line` is the header of a table for texts: names of columns that are known, two at least.
pub fn is_known_header(line: &str) -> bool {
    [Fields::tabs(line), Fields::commas(line)].into_iter().any(|fields| {
        let names = split(line, fields);
        let known = |name: &&String| {
            [TEXT, LABEL, QUERY, DOCUMENT, &["question", "context"]]
                .concat()
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
                || PAIRS
                    .iter()
                    .any(|(first, second)| name.eq_ignore_ascii_case(first) || name.eq_ignore_ascii_case(second))
        };
        let is_bare = |field: &str| !field.is_empty() && !field.contains(' ');
        let are_names = line.split(char::from(fields.delimiter)).all(is_bare);
        names.len() > 1 && are_names && names.iter().filter(known).count() > 1
    })
}

/// Whether every line has a tag after a word, and blank lines stand between sentences.
fn is_tagged(source: &LabelledFile) -> bool {
    let lines = source.lines().filter_map(|(_, line)| line.ok()).take(1000);
    let (mut words, mut ends) = (0, 0);
    for line in lines.filter(|line| !line.starts_with('#')) {
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
        match (fields.next(), fields.next_back()) {
            (None, _) => ends += 1,
            (Some(_), Some(tag)) if is_tag(tag) => words += 1,
            _ => return false,
        }
    }
    words > 0 && ends > 0
}

/// Whether a field has the form of a tag.
fn is_tag(field: &str) -> bool {
    let is_letter = |text: &str| ["B", "I", "E", "S", "L", "U", "M", "O", "_"].contains(&text);
    let part = |between: char| field.split_once(between).map(|(before, after)| is_letter(before) || is_letter(after));
    is_letter(field) || part('-').unwrap_or(false) || part('_').unwrap_or(false)
}

/// Whether the name of a file is one of judgements of a TREC set.
pub(crate) fn is_judgements(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.contains("qrels") || path.parent().is_some_and(|parent| parent.ends_with("qrels"))
}

/// Whether the first characters are those of an object with a field, or of an array of such: a text may begin with a brace.
pub(super) fn begins_as_json(source: &LabelledFile) -> bool {
    let mut bytes = source.bytes().iter().filter(|byte| !byte.is_ascii_whitespace());
    let [first, second, third] = std::array::from_fn(|_| bytes.next());
    matches!((first, second, third), (Some(b'{'), Some(b'"'), _) | (Some(b'['), Some(b'{'), Some(b'"')))
}

/// The first line that is not blank; what is not UTF-8 is replaced.
fn first_line(source: &LabelledFile) -> String {
    let bytes = source.bytes();
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

/// An object a line, unless the first line holds no whole one.
pub(super) fn json(source: &LabelledFile) -> Layout {
    let first = first_line(source);
    match crate::json::parse(&first) {
        Ok(serde_json::Value::Object(object)) if !object.values().any(is_rows) || is_row(&object, source) => {
            Layout::JsonLines
        }
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => Layout::JsonArray,
        // A broken first row is no reason to take the file for something else.
        _ if first.trim_start().starts_with('{') && first.trim_end().ends_with('}') => Layout::JsonLines,
        _ if source.bytes().trim_ascii_end().ends_with(b"]") || !is_blank(&first) && first.trim() == "{" => {
            Layout::JsonArray
        }
        _ => Layout::JsonLines,
    }
}

/// Whether the object of the first line is a row although it holds an array of objects: other objects follow, or it has a text of
/// its own.
fn is_row(object: &serde_json::Map<String, serde_json::Value>, source: &LabelledFile) -> bool {
    let mut lines = source.lines().filter(|(_, line)| !matches!(line, Ok(line) if is_blank(line)));
    let follows = lines.nth(1).is_some_and(|(_, line)| line.is_ok_and(|line| line.trim_start().starts_with('{')));
    let texts = object.iter().filter(|(name, value)| value.is_string() && *name != "title").map(|(name, _)| name);
    follows || Shape::of(&texts.collect::<Vec<_>>()).is_some()
}

/// Whether a value is an array of objects, as exports that are one object have it.
pub(super) fn is_rows(value: &serde_json::Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(serde_json::Value::is_object))
}

/// The fields of a line, without quotes.
fn split(line: &str, fields: Fields) -> Vec<String> {
    line.split(char::from(fields.delimiter)).map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

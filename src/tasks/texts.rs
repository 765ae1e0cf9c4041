//! Rows of one text or a pair, with what stands in their column of labels.

use super::example::Input;
use super::read::{
    Columns, DOCUMENT, LabelledFile, LabelledTable, Loaded, Need, QUERY, Reading, Shape, TEXT, TableRow, Value,
    trec_questions,
};
use crate::error::{Error, Result};
use crate::suggest::hint;
use std::path::Path;

/// A row: its line, the input, and the values in its column of labels.
pub(super) struct TextRow {
    /// 1-based.
    pub line: usize,
    /// One text or a pair.
    pub input: Input,
    /// Absent where the row has none.
    pub labels: Option<Value>,
}

/// Reads the texts of a table; their names or `reading` say which columns they stand in. A row may have no label even
/// where `labels` are required; the table must have a column of them, which is the first of the `usual` names that is there.
///
/// # Errors
/// [`Error::Input`] for a file without such columns, and for a bad row that is not to be left out.
pub(super) fn read_texts(path: &Path, labels: Need, usual: &[&str], reading: &Reading) -> Result<Loaded<TextRow>> {
    let source = LabelledFile::open(path)?;
    if let Some(questions) = trec_questions(path, &source, reading)? {
        let row = |(line, label, text): (usize, String, String)| {
            let labels = (labels != Need::Ignored).then_some(Value::Text(label));
            (Some(line), Ok(TextRow { line, input: Input::Text(text), labels }))
        };
        return questions.convert(false, "rows", row);
    }
    let table = LabelledTable::of(path, source, reading)?;
    let texts = text_columns(path, &table, reading)?;
    let label = match &reading.label_column {
        Some(name) => vec![name.as_str()],
        None => usual.iter().copied().filter(|name| !texts.iter().any(|text| text == name)).collect(),
    };
    let mut wanted = Columns::new();
    for text in &texts {
        wanted = wanted.text(&[text], Need::Required);
    }
    if labels != Need::Ignored {
        wanted = wanted.list(&label, Need::Optional);
    }
    let rows = table.read(&wanted, reading.skip_bad_rows)?;
    let is_labelled = |record: &TableRow| record.values.get(texts.len()).is_some_and(Option::is_some);
    if labels == Need::Required && table.column(&label).is_none() && !rows.rows.iter().any(is_labelled) {
        let names = table.names.join(", ");
        let message = match &reading.label_column {
            Some(name) => {
                let hint = hint(name, table.names.iter().map(String::as_str));
                format!("there is no column \"{name}\", as --label-column has it; the columns are: {names}{hint}")
            }
            None => format!(
                "there is no column of labels; expected \"label\" or \"score\", or --label-column; the columns are: {names}"
            ),
        };
        return Err(Error::input(path, message));
    }
    let found = table.column(&label).filter(|_| labels != Need::Ignored).map(str::to_owned);
    let names = table.names.clone();
    let mut rows = rows.convert(reading.skip_bad_rows, "rows", |record: TableRow| {
        let line = record.line;
        let mut values = record.values.into_iter();
        let mut text = || match values.next().flatten() {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        };
        let first = text();
        let input = if texts.len() > 1 { Input::Pair(first, text()) } else { Input::Text(first) };
        (Some(line), Ok(TextRow { line, input, labels: values.next().flatten() }))
    })?;
    rows.notes.push(note(&texts, found.as_deref(), rows.rows.first()));
    let is_read = |name: &&String| texts.contains(name) || found.as_ref() == Some(name) || name.is_empty();
    let others: Vec<&str> = names.iter().filter(|name| !is_read(name)).map(String::as_str).collect();
    if !others.is_empty() && labels != Need::Ignored {
        const SHOWN: usize = 8;
        let more = if others.len() > SHOWN { ", ..." } else { "" };
        rows.notes.push(format!("columns that are not read: {}{more}", others[..others.len().min(SHOWN)].join(", ")));
    }
    Ok(rows)
}

/// The columns of one text or two.
fn text_columns(path: &Path, table: &LabelledTable, reading: &Reading) -> Result<Vec<String>> {
    let wrong = |message: String| Error::Input { path: path.to_owned(), line: Some(1), message };
    if reading.text_columns.len() > 2 {
        let message = format!("{} columns of texts; expected one, or two for pairs", reading.text_columns.len());
        return Err(Error::config("data.text_columns", message));
    }
    if let Some(missing) = reading.text_columns.iter().find(|name| table.column(&[name]).is_none()) {
        let columns = table.names.join(", ");
        let hint = hint(missing, table.names.iter().map(String::as_str));
        return Err(wrong(format!(
            "there is no column \"{missing}\", as --text-column has it; the columns are: {columns}{hint}"
        )));
    }
    if !reading.text_columns.is_empty() {
        return Ok(reading.text_columns.clone());
    }
    let of = |names: &[&str]| table.column(names).unwrap_or_default().to_owned();
    match Shape::of(&table.names) {
        Some(Shape::Text) => Ok(vec![of(TEXT)]),
        Some(Shape::Pair(first, second)) => Ok(vec![of(&[first]), of(&[second])]),
        Some(Shape::Ranking) => Ok(vec![of(QUERY), of(DOCUMENT)]),
        None => Err(wrong(format!(
            "there is no column of texts; expected \"text\", or \"sentence1\" and \"sentence2\", or --text-column; the columns \
             are: {}; where the first line is no header, columns have numbers: --text-column 2 --label-column 1",
            shown(&table.names)
        ))),
    }
}

/// Names of columns as messages show them; a text instead of one is shortened.
fn shown(names: &[String]) -> String {
    let short = |name: &String| if name.chars().count() > 30 { shorten(name) } else { name.clone() };
    names.iter().map(short).collect::<Vec<_>>().join(", ")
}

/// What was taken for what.
fn note(texts: &[String], label: Option<&str>, first: Option<&TextRow>) -> String {
    let label = label.map_or_else(String::new, |label| format!(", label = {label}"));
    let mut note = format!("columns: text = {}{label}", texts.join(" and "));
    if let Some(row) = first {
        let texts: Vec<String> = row.input.texts().into_iter().map(shorten).collect();
        let label = match &row.labels {
            Some(Value::Text(label)) => format!(", label {}", shorten(label)),
            Some(Value::List(labels)) => format!(", labels {}", shorten(&labels.join("|"))),
            None => String::new(),
        };
        note.push_str(&format!("; first row: {}{label}", texts.join(" and ")));
    }
    note
}

/// A text on one line and not longer than a glance.
fn shorten(text: &str) -> String {
    super::read::shorten(text)
}

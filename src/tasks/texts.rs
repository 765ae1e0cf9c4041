//! Rows of one text or a pair, with what stands in their column of labels.

use super::example::Input;
use super::read::{Columns, LABEL, Loaded, Need, Record, Shape, TEXT, Value, columns, read_table};
use crate::error::{Error, Result};
use std::path::Path;

/// A row: its line, the input, and the values in its column of labels.
pub struct TextRow {
    /// 1-based.
    pub line: usize,
    /// One text or a pair.
    pub input: Input,
    /// Absent where the file has none.
    pub labels: Option<Value>,
}

/// Reads the texts of a table; which columns they stand in is told by their names.
pub fn read_texts(path: &Path, labels: Need, skip_bad_rows: bool) -> Result<Loaded<TextRow>> {
    let names = columns(path)?;
    let Some(shape) = Shape::of(&names) else {
        let message = format!(
            "there is no column of texts; expected \"text\", or \"sentence1\" and \"sentence2\"; the columns are: {}",
            names.join(", ")
        );
        return Err(Error::Input { path: path.to_owned(), line: Some(1), message });
    };
    let wanted = match shape {
        Shape::Text => Columns::new().text(TEXT, Need::Required),
        Shape::Pair(first, second) => Columns::new().text(&[first], Need::Required).text(&[second], Need::Required),
        Shape::Ranking => Columns::new().text(&["query"], Need::Required).text(super::read::DOCUMENT, Need::Required),
    };
    let texts = if shape == Shape::Text { 1 } else { 2 };
    let table = read_table(path, &wanted.list(LABEL, labels), skip_bad_rows)?;
    table.convert(skip_bad_rows, "rows", |mut record: Record| {
        let line = record.line;
        let labels = record.values.pop().flatten();
        let mut texts = record.values.into_iter().take(texts).map(|value| match value {
            Some(Value::Text(text)) => text,
            _ => String::new(),
        });
        let first = texts.next().unwrap_or_default();
        let input = match texts.next() {
            Some(second) => Input::Pair(first, second),
            None => Input::Text(first),
        };
        (Some(line), Ok(TextRow { line, input, labels }))
    })
}

//! The rows of a file in memory, as text.

use super::source::{LabelledFile, decode};
use crate::rows::{Fields, Rows};

/// The number of the line that a row begins on, and its fields or what is wrong with it.
pub(super) type DelimitedRow = (usize, std::result::Result<Vec<String>, String>);

/// The rows of `source`; blank lines are left out.
pub(super) fn rows(source: &LabelledFile, fields: Fields) -> impl Iterator<Item = DelimitedRow> {
    let mut rows = Rows::new(source.bytes(), fields);
    let text = |field: &[u8]| decode(field, "field").map(str::to_owned);
    std::iter::from_fn(move || {
        let (line, row) = rows.next_row()?;
        Some((line, row.and_then(|row| row.iter().map(text).collect())))
    })
}

//! The questions of TREC's classification set (Li and Roth, 2002): `ABBR:exp What does CPR stand for ?`, a line each.

use super::bad::{Collector, Loaded};
use super::source::LabelledFile;
use super::{Reading, is_blank};
use crate::error::Result;
use std::path::Path;

/// Lines that must have the form, of those that are looked at.
const LOOKED_AT: usize = 20;

/// The line, the label and the text of each question in `source`, the file at `path`; nothing where it has another form. The label is the
/// part before the colon, or with the column `fine` the whole.
///
/// # Errors
/// [`crate::Error::Input`] for a line of another form that is not to be left out.
pub(crate) fn trec_questions(
    path: &Path,
    source: &LabelledFile,
    reading: &Reading,
) -> Result<Option<Loaded<(usize, String, String)>>> {
    if reading.format.is_some() || !reading.text_columns.is_empty() {
        return Ok(None);
    }
    let lines = || source.lines().filter(|(_, line)| !matches!(line, Ok(line) if is_blank(line)));
    let mut first = lines().take(LOOKED_AT).peekable();
    if first.peek().is_none() || !first.all(|(_, line)| line.is_ok_and(|line| split(line).is_some())) {
        return Ok(None);
    }
    let is_fine = reading.label_column.as_deref() == Some("fine");
    let mut rows = Collector::new(path, reading.skip_bad_rows);
    for (number, line) in lines() {
        let row = line.and_then(|line| {
            let (coarse, fine, text) = split(line).ok_or("expected a label such as ABBR:exp and a question")?;
            let label = if is_fine { format!("{coarse}:{fine}") } else { coarse.to_owned() };
            Ok((number, label, text.to_owned()))
        });
        rows.add(Some(number), row)?;
    }
    let mut rows = rows.finish("questions")?;
    rows.notes.push(format!(
        "lines of TREC's questions: label = what stands before the {}, text = the rest{}",
        if is_fine { "blank" } else { "colon" },
        if is_fine { "" } else { "; --label-column fine takes the whole label" }
    ));
    Ok(Some(rows))
}

/// `ABBR`, `exp` and the question.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (label, text) = line.split_once(' ')?;
    let (coarse, fine) = label.split_once(':')?;
    let is_upper = !coarse.is_empty() && coarse.chars().all(|c| c.is_ascii_uppercase());
    let is_lower = !fine.is_empty() && fine.chars().all(|c| c.is_ascii_lowercase());
    (is_upper && is_lower && !is_blank(text)).then_some((coarse, fine, text.trim()))
}

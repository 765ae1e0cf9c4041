//! Which options of reading each task has.

use super::{Form, Reading};
use crate::config::Kind;
use crate::error::{Error, Result};

/// Tasks whose rows have columns of texts.
const OF_TEXTS: &[Kind] = &[Kind::Classification, Kind::Regression, Kind::Ranking];

/// Tasks whose rows have a word each.
const OF_WORDS: &[Kind] = &[Kind::TokenClassification];

/// Tasks that learn names.
const OF_NAMES: &[Kind] = &[Kind::Classification, Kind::TokenClassification];

/// Tasks whose files may look in several ways.
const OF_FORMS: &[Kind] =
    &[Kind::Classification, Kind::Regression, Kind::TokenClassification, Kind::QuestionAnswering, Kind::Ranking];

/// The options of `reading` that say something about the rows of a file, and the tasks that have them.
fn given(reading: &Reading) -> impl Iterator<Item = (&'static str, &'static [Kind])> {
    let all = [
        ("--text-column", !reading.text_columns.is_empty(), OF_TEXTS),
        ("--label-column", reading.label_column.is_some(), OF_TEXTS),
        ("--word-column", reading.word_column.is_some(), OF_WORDS),
        ("--tag-column", reading.tag_column.is_some(), OF_WORDS),
        ("--labels", reading.labels.is_some(), OF_NAMES),
        ("--multi-label", reading.multi_label, &OF_NAMES[..1]),
        ("--format tsv or csv", matches!(reading.format, Some(Form::Tsv | Form::Csv)), OF_TEXTS),
        ("--format conll", reading.format == Some(Form::Conll), OF_WORDS),
        ("--format json", reading.format == Some(Form::Json), OF_FORMS),
    ];
    all.into_iter().filter(|(_, given, _)| *given).map(|(flag, _, kinds)| (flag, kinds))
}

/// Refuses options that `kind` would not look at.
///
/// # Errors
/// [`Error::Usage`] with the option and the tasks that have it.
pub fn check_options(kind: Kind, reading: &Reading) -> Result<()> {
    let Some((flag, kinds)) = given(reading).find(|(_, kinds)| !kinds.contains(&kind)) else { return Ok(()) };
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    Err(Error::Usage(format!("{flag}: {} has no such option; expected it with {}", kind.name(), names.join(", "))))
}

/// Refuses options about rows where there are none: standard input, and the file of a model without a task, have an input a line.
///
/// # Errors
/// [`Error::Usage`] with the option.
pub fn check_lines(reading: &Reading) -> Result<()> {
    given(reading).next().map_or(Ok(()), |(flag, _)| {
        Err(Error::Usage(format!("{flag}: an input a line has no columns; expected a file, and a model with a task")))
    })
}

//! Readers of labelled data for fine-tuning.
//!
//! | reader | files | rows |
//! |---|---|---|
//! | [`LabelledTable`] | TSV, CSV, JSON lines and arrays | texts, pairs and rankings with their labels |
//! | [`read_conll`] | a word a line, JSON lines and arrays | sentences with a tag for every word |
//! | [`read_squad`] | SQuAD's JSON | questions with the spans that answer them |
//! | [`read_trec`] | qrels, queries, documents, a run | queries with graded documents |
//! | [`read_sessions`] | a session a line | sequences of items |
//!
//! What a file looks like and which columns are meant is decided once, from its contents and its name, unless [`Reading`] says
//! it; what was found is noted for the user. A file is read whole, so that an error comes before anything has been trained. A bad
//! row is an error that names the file and the line, or, where the caller asks for it, counted and left out.

mod bad;
mod columns;
mod conll;
mod delimited;
mod form;
mod hidden;
mod interactions;
mod json;
mod judgements;
mod names;
mod objects;
mod options;
mod questions;
mod session;
mod sessions;
mod source;
mod squad;
mod table;
#[cfg(test)]
mod tests;
mod trec;

pub use crate::config::{Form, Reading};
pub use bad::{Loaded, Skipped};
pub use columns::{Columns, DOCUMENT, LABEL, PAIRS, QUERY, QUERY_ID, SCORE, Shape, TEXT};
pub use conll::{Sentence, read_conll};
pub(super) use form::is_judgements;
pub use form::{holds_rows, is_known_header};
pub(super) use hidden::Hidden;
pub use names::{named, names};
pub use objects::object_input;
pub use options::{check_lines, check_options};
pub(super) use questions::trec_questions;
pub use session::ItemSession;
pub use sessions::{LEAST_ITEMS, read_sessions};
pub(super) use source::LabelledFile;
pub use squad::{Answer, Answers, SquadQuestion, read_squad};
pub use table::{LabelledTable, TableRow, Value};
pub use trec::{Candidate, Topic, TrecFiles, read_trec};

/// Whether something has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A row without it is bad.
    Required,
    /// It may be absent.
    Optional,
    /// It is not looked at: whoever predicts needs no labels.
    Ignored,
}

/// Whether a text has nothing but white space.
fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A text as messages show it: on one line and not longer than a glance.
pub(super) fn shorten(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// The first of the names that a column may have, as messages list them.
fn quoted<S: AsRef<str>>(names: &[S], between: &str) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).map(|name| format!("\"{}\"", name.as_ref())).collect::<Vec<_>>().join(between);
    if names.len() > SHOWN { format!("{shown}{between}another name for it") } else { shown }
}

//! Sequences of items for recommendation: a session a line, or a table of users and items.

use super::bad::{Loaded, by_line};
use super::interactions::Interactions;
use super::session::{ItemSession, session};
use super::source::LabelledFile;
use crate::error::{Error, Result};
use electra_runs::counted;
use std::path::Path;

/// Items of a session that is trained on or judged: some that are known, and one that comes next.
pub const LEAST_ITEMS: usize = 2;

/// Reads a session a line: `least` ids of items or more with white space between them, without the names of special tokens in them.
/// Blank lines are left out. A table of users and items, such as RecBole's `.inter`, becomes a session a user, by time where it has a
/// column of times.
///
/// # Errors
/// [`Error::Input`] for a file that cannot be read, that is of another kind, and for a bad row that is not to be left out.
pub fn read_sessions(path: &Path, least: usize, skip_bad_rows: bool) -> Result<Loaded<ItemSession>> {
    let source = LabelledFile::open(path)?;
    let wrong = |message: String| Error::Input { path: path.to_owned(), line: Some(1), message };
    let mut loaded = match Interactions::of(&source).map_err(wrong)? {
        Some(table) => table.read(path, &source, least, skip_bad_rows)?,
        None => {
            let mut loaded = by_line(path, skip_bad_rows, "sessions", |line, text| {
                session(line, String::new(), text.split_whitespace().map(str::to_owned).collect(), least)
            })?;
            let doubt = doubt(&loaded.rows).or_else(|| table(&source));
            loaded.notes.push("a session a line".into());
            loaded.notes.extend(doubt);
            loaded
        }
    };
    if let Some(first) = loaded.rows.first() {
        let shown: Vec<&str> = first.items.iter().take(4).map(String::as_str).collect();
        let more = if first.items.len() > shown.len() { " ..." } else { "" };
        loaded.notes.push(format!("first session: {}{more} ({})", shown.join(" "), counted(first.items.len(), "item")));
    }
    Ok(loaded)
}

/// What to say where all lines have as many tabs, or commas.
fn table(source: &LabelledFile) -> Option<String> {
    const LOOKED_AT: usize = 1000;
    let lines =
        || source.lines().take(LOOKED_AT).filter_map(|(_, line)| line.ok()).filter(|line| !line.trim().is_empty());
    let is_even = |mark: &char| {
        let mut counts = lines().map(|line| line.matches(*mark).count());
        let first = counts.next().unwrap_or(0);
        first > 1 && counts.all(|count| count == first)
    };
    let mark = ['\t', ','].into_iter().find(|mark| lines().count() >= FEW && is_even(mark))?;
    let (what, fields) = (if mark == ',' { "commas" } else { "tabs" }, lines().next()?.matches(mark).count() + 1);
    Some(format!(
        "warning: every line has {fields} fields between {what}; a table of users and items has a header that names them"
    ))
}

/// Lines that say something about all.
const FEW: usize = 20;

/// What speaks against the lines being sessions.
fn doubt(sessions: &[ItemSession]) -> Option<String> {
    let of_two = sessions.iter().all(|session| session.items.len() == 2);
    let number = |session: &ItemSession| session.items.first()?.parse::<usize>().ok();
    let counts = sessions.windows(2).all(|pair| number(&pair[0]).map(|one| one + 1) == number(&pair[1]));
    let header = "a table of users and items has a header that names them, such as user_id<TAB>item_id";
    match sessions.len() >= FEW {
        true if of_two => Some(format!("warning: every line has two items; are they a user and an item? {header}")),
        true if counts && number(&sessions[0]).is_some() => {
            Some("warning: the first items of the lines count 1, 2, 3, ...; are they users?".into())
        }
        _ => None,
    }
}

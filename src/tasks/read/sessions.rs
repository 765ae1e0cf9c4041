//! Sequences of items for recommendation.

use super::bad::{Loaded, by_line};
use crate::error::Result;
use crate::tokenizer::special_name_in;
use std::path::Path;

/// What somebody chose, one thing after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its line, from 1.
    pub line: usize,
    /// The items' ids, the oldest first; two at least.
    pub items: Vec<String>,
}

/// Reads a session a line: ids of items with white space between them, without the names of special tokens in them. Blank
/// lines are left out.
pub fn read_sessions(path: &Path, skip_bad_rows: bool) -> Result<Loaded<Session>> {
    by_line(path, skip_bad_rows, "sessions", |line, text| {
        let items: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        if items.len() < 2 {
            return Err(format!("the session has only the item \"{}\"; expected two items at least", items.concat()));
        }
        match items.iter().find_map(|item| Some((item, special_name_in(item)?))) {
            Some((item, name)) => Err(format!("the item \"{item}\" holds {name}, which is no name for an item")),
            None => Ok(Session { line, items }),
        }
    })
}

//! What becomes of bad rows.

use super::is_blank;
use super::source::LabelledFile;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// How many messages about bad rows are kept.
const KEPT: usize = 5;

/// The rows of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The file.
    pub path: PathBuf,
    /// The good rows in the file's order; never empty.
    pub rows: Vec<T>,
    /// The bad rows, where they were to be left out.
    pub skipped: Skipped,
    /// What was taken for what, what was left out, and what looks wrong, in sentences for people.
    pub notes: Vec<String>,
}

impl<T> Loaded<T> {
    /// Makes something else of every row, or says what is wrong with it; `what` names the rows in the plural.
    pub fn convert<U>(
        self,
        skip_bad_rows: bool,
        what: &str,
        mut make: impl FnMut(T) -> (Option<usize>, std::result::Result<U, String>),
    ) -> Result<Loaded<U>> {
        let mut rows = Collector::new(&self.path, skip_bad_rows);
        (rows.loaded.skipped, rows.loaded.notes) = (self.skipped, self.notes);
        for row in self.rows {
            let (line, row) = make(row);
            rows.add(line, row)?;
        }
        rows.finish(what)
    }
}

/// Bad rows that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// The first few errors, each with its file and line.
    pub first: Vec<String>,
}

impl Skipped {
    /// Whether the next message is still kept.
    pub(super) fn keeps(&self) -> bool {
        self.first.len() < KEPT
    }

    /// Adds those of another file.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(KEPT);
    }

    fn add(&mut self, error: &Error) {
        self.count += 1;
        if self.keeps() {
            self.first.push(error.to_string());
        }
    }
}

/// Takes rows one by one, and either stops at the first bad one or counts it.
pub(super) struct Collector<T> {
    pub skip: bool,
    pub loaded: Loaded<T>,
}

impl<T> Collector<T> {
    pub(super) fn new(path: &Path, skip: bool) -> Self {
        let (rows, skipped, notes) = Default::default();
        Self { skip, loaded: Loaded { path: path.to_owned(), rows, skipped, notes } }
    }

    /// Takes a row, or what is wrong with it.
    pub(super) fn add(&mut self, line: Option<usize>, row: std::result::Result<T, String>) -> Result<()> {
        match row {
            Ok(row) => self.loaded.rows.push(row),
            Err(message) => {
                let error = Error::Input { path: self.loaded.path.clone(), line, message };
                if !self.skip {
                    return Err(error);
                }
                self.loaded.skipped.add(&error);
            }
        }
        Ok(())
    }

    /// The rows; an error where there are none. `what` names them in the plural.
    pub(super) fn finish(self, what: &str) -> Result<Loaded<T>> {
        let loaded = self.loaded;
        match loaded.skipped.first.first() {
            _ if !loaded.rows.is_empty() => Ok(loaded),
            None => Err(Error::input(&loaded.path, format!("there are no {what}"))),
            Some(first) => {
                let message = format!("all {what} are bad, {} of them; the first: {first}", loaded.skipped.count);
                Err(Error::input(&loaded.path, message))
            }
        }
    }
}

/// Reads a file whose rows are its lines; blank lines are no rows.
pub(super) fn by_line<T>(
    path: &Path,
    skip: bool,
    what: &str,
    mut parse: impl FnMut(usize, &str) -> std::result::Result<T, String>,
) -> Result<Loaded<T>> {
    let source = LabelledFile::open(path)?;
    let mut rows = Collector::new(path, skip);
    for (number, line) in source.lines() {
        match line {
            Ok(line) if is_blank(line) => {}
            line => rows.add(Some(number), line.and_then(|line| parse(number, line)))?,
        }
    }
    rows.finish(what)
}

//! What the tests of the readers have in common.

use super::*;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

mod conll;
mod csv;
mod sessions;
mod squad;
mod table;
mod trec;

/// A folder that holds files for as long as the test runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// That reading fails with this file, line and message, and that it does so as wrong input.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, path: &Path, line: Option<usize>, message: &str) {
    let error = result.unwrap_err();
    assert!(error.is_wrong_input());
    let Error::Input { path: of, line: at, message: found } = &error else { panic!("{error:?}") };
    assert_eq!((of.as_path(), *at, found.as_str()), (path, line, message));
}

/// The messages of skipped rows without the folder's name.
fn names(folder: &Folder, skipped: &Skipped) -> Vec<String> {
    let before = format!("{}/", folder.0.path().display());
    skipped.first.iter().map(|message| message.replace(&before, "")).collect()
}

fn reading(skip_bad_rows: bool) -> Reading {
    Reading { skip_bad_rows, ..Reading::default() }
}

fn read_table(path: &Path, wanted: &Columns, skip: bool) -> Result<Loaded<TableRow>> {
    LabelledTable::open(path, &Reading::default())?.read(wanted, skip)
}

fn columns(path: &Path) -> Result<Vec<String>> {
    LabelledTable::open(path, &Reading::default()).map(|table| table.names)
}

fn read_conll(path: &Path, tags: Need, skip: bool) -> Result<Loaded<Sentence>> {
    super::read_conll(path, tags, &reading(skip))
}

fn read_squad(path: &Path, need: Need, skip: bool) -> Result<Loaded<SquadQuestion>> {
    super::read_squad(path, Answers { need, placed: true }, &reading(skip))
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let path = folder.0.path().join("none.tsv");
    let error = read_table(&path, &Columns::new(), false).unwrap_err();
    assert!(error.is_wrong_input());
    let begin = format!("{}: cannot be read: ", path.display());
    assert!(error.to_string().starts_with(&begin), "{error}");
}

#[test]
fn only_the_first_few_messages_are_kept() {
    let folder = Folder::new();
    let path = folder.file("a.txt", format!("1 2\n{}", "3\n".repeat(100)));
    let loaded = read_sessions(&path, 2, true).unwrap();
    assert_eq!((loaded.skipped.count, loaded.skipped.first.len()), (100, 5));
}

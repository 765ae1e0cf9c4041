//! What the tests of the readers have in common.

use super::*;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

mod conll;
mod csv;
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
    assert_eq!(error.exit_code(), 2);
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

fn read_table(path: &Path, wanted: &Columns, skip: bool) -> Result<Loaded<Record>> {
    Table::open(path, &Reading::default())?.read(wanted, skip)
}

fn columns(path: &Path) -> Result<Vec<String>> {
    Table::open(path, &Reading::default()).map(|table| table.names)
}

fn read_conll(path: &Path, tags: Need, skip: bool) -> Result<Loaded<Sentence>> {
    super::read_conll(path, tags, &reading(skip))
}

fn read_squad(path: &Path, need: Need, skip: bool) -> Result<Loaded<Question>> {
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
    assert_eq!(error.exit_code(), 2);
    let begin = format!("{}: cannot be read: ", path.display());
    assert!(error.to_string().starts_with(&begin), "{error}");
}

#[test]
fn sessions_are_items_between_white_space() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "\u{feff}1 2\t3\r\n\n  \nx  y\n");
    let loaded = read_sessions(&path, false).unwrap();
    let expected =
        [Session { line: 1, items: words(&["1", "2", "3"]) }, Session { line: 4, items: words(&["x", "y"]) }];
    assert_eq!(loaded, Loaded { path, rows: expected.into(), skipped: Skipped::default(), notes: Vec::new() });
}

#[test]
fn a_session_needs_two_items() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "1 2\n\n3\n4 5\n");
    let message = "the session has only the item \"3\"; expected two items at least";
    fails(read_sessions(&path, false), &path, Some(3), message);
    let loaded = read_sessions(&path, true).unwrap();
    assert_eq!((loaded.rows.len(), loaded.skipped.count), (2, 1));
    assert_eq!(names(&folder, &loaded.skipped), [format!("a.txt:3: {message}")]);

    let path = folder.file("b.txt", "1\n2\n3\n4\n5\n6\n");
    let first = format!("{}:1: {}", path.display(), message.replace('3', "1"));
    fails(read_sessions(&path, true), &path, None, &format!("all sessions are bad, 6 of them; the first: {first}"));
    let path = folder.file("c.txt", " \n\n");
    fails(read_sessions(&path, true), &path, None, "there are no sessions");
    let path = folder.file("d.txt", b"1 2\n3 caf\xe9\n");
    let message = "byte 6 of the line, 0xE9, is not UTF-8; expected text in UTF-8";
    fails(read_sessions(&path, false), &path, Some(2), message);
}

#[test]
fn only_the_first_few_messages_are_kept() {
    let folder = Folder::new();
    let path = folder.file("a.txt", format!("1 2\n{}", "3\n".repeat(100)));
    let loaded = read_sessions(&path, true).unwrap();
    assert_eq!((loaded.skipped.count, loaded.skipped.first.len()), (100, 5));
}

#[test]
fn a_table_of_users_and_items_becomes_sessions() {
    let folder = Folder::new();
    let text = "user_id:token\titem_id:token\ttimestamp:float\nu\tb\t2\nv\tx\t1\nu\ta\t1\nu\tc\t2\n";
    let loaded = read_sessions(&folder.file("a.inter", text), false).unwrap();
    assert_eq!(loaded.rows, [Session { line: 2, items: words(&["a", "b", "c"]) }]);
    assert_eq!(loaded.notes.last().unwrap(), "1 user with a single item left out");
    let loaded = read_sessions(&folder.file("b.csv", "userId,movieId,rating\n1,7,5\n1,3,4\n"), false).unwrap();
    assert_eq!(loaded.rows, [Session { line: 2, items: words(&["7", "3"]) }]);
}

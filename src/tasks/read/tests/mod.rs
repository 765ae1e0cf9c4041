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
    assert_eq!(loaded, Loaded { path, rows: expected.into(), skipped: Skipped::default() });
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

//! Plain text: UTF-8, a blank line ends a document.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// The documents of `paths`, in order.
///
/// # Errors
/// [`Error::Input`] for a file that is missing, cannot be read, is not UTF-8 (with the line) or holds no text.
pub fn read(paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut documents = Vec::new();
    for path in paths {
        let before = documents.len();
        documents.extend(split(&read_utf8(path)?));
        if documents.len() == before {
            return Err(Error::input(path, "the file holds no text; expected documents separated by blank lines"));
        }
    }
    Ok(documents)
}

/// The documents of `text`.
pub fn split(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !current.is_empty() {
                documents.push(std::mem::take(&mut current));
            }
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    if !current.is_empty() {
        documents.push(current);
    }
    documents
}

fn read_utf8(path: &Path) -> Result<String> {
    if path.is_dir() {
        return Err(Error::input(path, "this is a directory; expected a text file"));
    }
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::input(path, "there is no such file; expected a text corpus"),
        _ => Error::input(path, e.to_string()),
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        Error::Input {
            path: path.to_owned(),
            line: Some(1 + valid.iter().filter(|&&byte| byte == b'\n').count()),
            message: "the text is not UTF-8; convert it first, for example with `iconv -t UTF-8`".into(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_end_documents() {
        let documents = split("\n\none\ntwo\n\n \t\nthree\r\n\r\nfour");
        assert_eq!(documents, ["one\ntwo\n", "three\n", "four\n"]);
        assert!(split(" \n\n").is_empty());
    }
}

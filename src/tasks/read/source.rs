//! A file in memory, and its lines.

use super::json::extension;
use crate::corpus::read::{refusal, unpack};
use crate::error::{Error, Result};
use crate::files;
use std::path::{Path, PathBuf};

/// Marks UTF-8 at the beginning of a file; no part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes of a file.
pub(crate) struct LabelledFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl LabelledFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::input(path, "this is a folder; expected a file"));
        }
        let wrong = |message: String| Error::input(path, format!("cannot be read: {message}"));
        let packed = files::read(path, files::LARGE).map_err(|error| wrong(error.to_string()))?;
        let bytes = unpack(packed, files::LARGE).map_err(wrong)?;
        if extension(path).as_deref() == Some("xlsx") {
            return Err(Error::input(path, "this is a workbook; expected it saved as CSV"));
        }
        refusal(&bytes).map_or(Ok(()), |message| Err(Error::input(path, message)))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Everything after the byte order mark.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes)
    }

    /// The whole file as text.
    pub(crate) fn text(&self) -> Result<&str> {
        let bytes = self.bytes();
        std::str::from_utf8(bytes).map_err(|error| {
            let (line, before) = position(bytes, error.valid_up_to());
            let message = not_utf8(bytes, error.valid_up_to(), before, "line");
            Error::Input { path: self.path.clone(), line: Some(line), message }
        })
    }

    /// The lines without their ends, numbered from 1; a line that is not UTF-8 comes as what is wrong with it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, std::result::Result<&str, String>)> {
        let lines = self.bytes().split(|&byte| byte == b'\n').enumerate();
        lines.map(|(index, line)| (index + 1, decode(line.strip_suffix(b"\r").unwrap_or(line), "line")))
    }
}

/// Bytes as text, or a message that says where they stop being text; `what` they are.
pub(super) fn decode<'a>(bytes: &'a [u8], what: &str) -> std::result::Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to(), error.valid_up_to(), what))
}

fn not_utf8(bytes: &[u8], at: usize, before: usize, what: &str) -> String {
    let byte = bytes.get(at).copied().unwrap_or_default();
    format!(
        "byte {} of the {what}, 0x{byte:02X}, is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it",
        before + 1
    )
}

/// The line, from 1, that an offset lies in, and how many bytes of it lie before.
pub(super) fn position(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
    let begin = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    (line, before.len() - begin)
}

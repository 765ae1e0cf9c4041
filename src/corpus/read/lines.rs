//! Formats by lines: plain text and JSON lines.

use super::stream::{Stream, unpacked};
use super::{Assembler, MAX_DOCUMENT_BYTES, ReadOptions, ReadStats, Reader, cut, decode};
use crate::config::{Boundary, InvalidUtf8};
use crate::error::{Error, Result};
use serde_json::Value;
use std::io::BufRead;
use std::path::PathBuf;

/// Longest line of a JSON lines file.
const MAX_JSON_LINE: usize = 256 << 20;

/// Lines of bytes, numbered from 1.
struct Lines {
    stream: Stream,
    path: PathBuf,
    buffer: Vec<u8>,
    number: usize,
    ended: bool,
}

impl Lines {
    fn new(stream: Stream, path: PathBuf) -> Self {
        Self { stream, path, buffer: Vec::new(), number: 1, ended: false }
    }

    /// Reads until a line or more than `limit` bytes are in the buffer; whether it is a whole line, or `None` at the
    /// end.
    fn fill(&mut self, limit: usize) -> Result<Option<bool>> {
        while !self.ended {
            let available = self.stream.fill_buf().map_err(|error| {
                let message = format!("{}; the file cannot be read to its end", unpacked(&error));
                Error::Input { path: self.path.clone(), line: Some(self.number), message }
            })?;
            if available.is_empty() {
                self.ended = true;
                break;
            }
            let newline = available.iter().position(|&byte| byte == b'\n');
            let used = newline.unwrap_or(available.len());
            self.buffer.extend_from_slice(&available[..used]);
            self.stream.consume(used + usize::from(newline.is_some()));
            if newline.is_some() {
                return Ok(Some(true));
            }
            if self.buffer.len() > limit {
                return Ok(Some(false));
            }
        }
        Ok((!self.buffer.is_empty()).then_some(true))
    }
}

/// Plain text.
pub(super) struct TextLines {
    lines: Lines,
    boundary: Boundary,
    policy: InvalidUtf8,
}

impl TextLines {
    pub(super) fn new(stream: Stream, path: PathBuf, options: &ReadOptions) -> Self {
        let lines = Lines::new(stream, path);
        Self { lines, boundary: options.boundary, policy: options.invalid_utf8 }
    }
}

impl Reader for TextLines {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        let lines = &mut self.lines;
        let Some(whole) = lines.fill(MAX_DOCUMENT_BYTES)? else { return Ok(false) };
        // A line without end is cut as it comes; what is after the cut stays in the buffer.
        let rest = if lines.buffer.len() > MAX_DOCUMENT_BYTES && !whole {
            to.cut = true;
            let at = cut(&lines.buffer, MAX_DOCUMENT_BYTES);
            lines.buffer.split_off(at)
        } else {
            Vec::new()
        };
        let bytes = std::mem::replace(&mut lines.buffer, rest);
        if let Some(line) = decode(bytes, self.policy, &lines.path, Some(lines.number), stats)? {
            let blank = line.trim().is_empty();
            to.line(&line);
            if whole && (blank || self.boundary == Boundary::Line) {
                to.end(stats);
            }
        }
        lines.number += usize::from(whole);
        Ok(true)
    }
}

/// One JSON object a line.
pub(super) struct JsonLines {
    lines: Lines,
    field: String,
    policy: InvalidUtf8,
}

impl JsonLines {
    pub(super) fn new(stream: Stream, path: PathBuf, options: &ReadOptions) -> Self {
        let lines = Lines::new(stream, path);
        Self { lines, field: options.text_field.clone(), policy: options.invalid_utf8 }
    }

    /// The text of a line; `null` is no text.
    fn text(&self, line: &str) -> std::result::Result<String, String> {
        let field = &self.field;
        let value: Value = crate::json::parse(line).map_err(|error| format!("{error}; expected a JSON object"))?;
        let nested = || field.split('.').try_fold(&value, |value, key| value.get(key));
        let found = value.get(field).or_else(nested);
        match found {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) => Ok(String::new()),
            Some(_) => Err(format!("the field \"{field}\" is not a string")),
            None => {
                let keys = value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>().join(", "));
                if value.is_array() {
                    return Err(
                        "the line is an array; expected a JSON object a line, as `jq -c '.[]' FILE` writes it".into()
                    );
                }
                let keys = keys.unwrap_or_else(|| "none, since it is not an object".into());
                Err(format!("there is no field \"{field}\"; the fields are: {keys}; --text-field chooses one"))
            }
        }
    }
}

impl Reader for JsonLines {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        let Some(whole) = self.lines.fill(MAX_JSON_LINE)? else { return Ok(false) };
        let (path, line) = (self.lines.path.clone(), Some(self.lines.number));
        if !whole {
            let message = format!("the line is longer than {MAX_JSON_LINE} bytes; expected one object a line");
            return Err(Error::Input { path, line, message });
        }
        let bytes = std::mem::take(&mut self.lines.buffer);
        if let Some(text) = decode(bytes, self.policy, &path, line, stats)?
            && !text.trim().is_empty()
        {
            let text = self.text(&text).map_err(|message| Error::Input { path: path.clone(), line, message })?;
            // What escapes stand for is text as well.
            if let Some(text) = decode(text.into_bytes(), self.policy, &path, line, stats)? {
                to.record(&text, stats);
            }
        }
        self.lines.number += 1;
        Ok(true)
    }
}

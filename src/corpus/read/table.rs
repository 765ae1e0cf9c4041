//! Comma-separated and tab-separated values.

use super::source::Stream;
use super::{Assembler, ReadOptions, ReadStats, Reader, decode};
use crate::config::InvalidUtf8;
use crate::error::{Error, Result};
use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;

/// Records with a header.
pub struct Table {
    reader: csv::Reader<Lines<Stream>>,
    path: PathBuf,
    column: usize,
    policy: InvalidUtf8,
    record: ByteRecord,
}

impl Table {
    pub fn new(stream: Stream, path: PathBuf, delimiter: u8, options: &ReadOptions) -> Result<Self> {
        let lines = Lines {
            inner: stream,
            offset: 0,
            line: 1,
            is_begun: false,
            begun: VecDeque::new(),
            from: 0,
            quotes: VecDeque::new(),
        };
        // Only fields between commas are quoted; between tabs a quote is a character like any other.
        let quoted = delimiter != b'\t';
        let mut reader = ReaderBuilder::new().delimiter(delimiter).quoting(quoted).from_reader(lines);
        let header = match reader.byte_headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(failure(path, reader.get_mut().at(0), &error)),
        };
        let name = &options.text_field;
        let Some(column) = header.iter().position(|field| field == name.as_bytes()) else {
            let columns: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
            let message = format!(
                "there is no column \"{name}\"; the columns are: {}; --text-field chooses one",
                columns.join(", ")
            );
            return Err(Error::Input { path, line: reader.get_mut().at(0), message });
        };
        Ok(Self { reader, path, column, policy: options.invalid_utf8, record: ByteRecord::new() })
    }
}

impl Reader for Table {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        let before = self.reader.position().byte();
        self.reader.get_mut().record_from(before);
        let more = self.reader.read_byte_record(&mut self.record);
        let line = self.reader.get_mut().at(before);
        if !more.map_err(|error| failure(self.path.clone(), line, &error))? {
            return Ok(false);
        }
        let end = self.reader.position().byte();
        // Otherwise every row after the quote would become part of one text without a word.
        if self.reader.get_ref().is_open(end) && self.record.iter().any(|field| field.contains(&b'\n')) {
            let message = "a quote is opened in this row and never closed; expected its end, or two of them for a quote in a text";
            return Err(Error::Input { path: self.path.clone(), line, message: message.into() });
        }
        // The reader has made sure that every record is as long as the header.
        let bytes = self.record.get(self.column).unwrap_or_default().to_vec();
        if let Some(text) = decode(bytes, self.policy, &self.path, line, stats)? {
            to.record(&text, stats);
        }
        Ok(true)
    }
}

fn failure(path: PathBuf, line: Option<usize>, error: &csv::Error) -> Error {
    let message = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields; expected {expected_len}, as the header has")
        }
        _ => error.to_string(),
    };
    Error::Input { path, line, message }
}

/// Remembers which lines begin in the bytes that pass through. The parser's own count is of the line end before a record,
/// which is too small behind blank lines and CRLF.
struct Lines<R> {
    inner: R,
    /// Bytes that have passed.
    offset: u64,
    /// The line that comes next, or that is being read.
    line: usize,
    /// Whether it has more than a line end so far.
    is_begun: bool,
    /// Offsets of the first bytes of lines that are not blank, with the lines' numbers.
    begun: VecDeque<(u64, usize)>,
    /// Where the record begins that is being read.
    from: u64,
    /// Offsets of the quotes since then.
    quotes: VecDeque<u64>,
}

/// Bytes that a record may have: a quote that is never closed must not make one of the whole file.
const LONGEST: u64 = 16 << 20;

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.offset - self.from > LONGEST {
            let message =
                format!("a row of more than {} MiB; expected shorter ones, or a quote that is closed", LONGEST >> 20);
            return Err(std::io::Error::other(message));
        }
        let count = self.inner.read(buffer)?;
        for (at, byte) in (self.offset..).zip(&buffer[..count]) {
            if *byte == b'"' {
                self.quotes.push_back(at);
            }
            match byte {
                b'\n' => (self.line, self.is_begun) = (self.line + 1, false),
                b'\r' => {}
                _ if self.is_begun => {}
                _ => {
                    self.is_begun = true;
                    self.begun.push_back((at, self.line));
                }
            }
        }
        self.offset += count as u64;
        Ok(count)
    }
}

impl<R> Lines<R> {
    /// The record that is read next begins at `offset`.
    fn record_from(&mut self, offset: u64) {
        self.from = offset;
        while self.quotes.front().is_some_and(|&quote| quote < offset) {
            self.quotes.pop_front();
        }
    }

    /// Whether the record that ends at `offset` is the last one and has a quote too many or too few.
    fn is_open(&self, offset: u64) -> bool {
        offset >= self.offset && self.quotes.len() % 2 == 1
    }

    /// The first line that begins at `offset` or behind; forgets those before it.
    fn at(&mut self, offset: u64) -> Option<usize> {
        while self.begun.front().is_some_and(|&(begin, _)| begin < offset) {
            self.begun.pop_front();
        }
        self.begun.front().map(|&(_, line)| line)
    }
}

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
        let lines = Lines { inner: stream, offset: 0, line: 1, is_begun: false, begun: VecDeque::new() };
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(lines);
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
        let more = self.reader.read_byte_record(&mut self.record);
        let line = self.reader.get_mut().at(before);
        if !more.map_err(|error| failure(self.path.clone(), line, &error))? {
            return Ok(false);
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
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for (at, byte) in (self.offset..).zip(&buffer[..count]) {
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
    /// The first line that begins at `offset` or behind; forgets those before it.
    fn at(&mut self, offset: u64) -> Option<usize> {
        while self.begun.front().is_some_and(|&(begin, _)| begin < offset) {
            self.begun.pop_front();
        }
        self.begun.front().map(|&(_, line)| line)
    }
}

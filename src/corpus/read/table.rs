//! Comma-separated and tab-separated values.

use super::source::Stream;
use super::{Assembler, ReadOptions, ReadStats, Reader, decode};
use crate::config::InvalidUtf8;
use crate::error::{Error, Result};
use csv::{ByteRecord, ReaderBuilder};
use std::path::PathBuf;

/// Records with a header.
pub struct Table {
    reader: csv::Reader<Stream>,
    path: PathBuf,
    column: usize,
    policy: InvalidUtf8,
    record: ByteRecord,
}

impl Table {
    pub fn new(stream: Stream, path: PathBuf, delimiter: u8, options: &ReadOptions) -> Result<Self> {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(stream);
        let header = reader.byte_headers().map_err(|error| failure(&path, &error))?;
        let name = &options.text_field;
        let Some(column) = header.iter().position(|field| field == name.as_bytes()) else {
            let columns: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
            let message = format!(
                "there is no column \"{name}\"; the columns are: {}; --text-field chooses one",
                columns.join(", ")
            );
            return Err(Error::Input { path, line: Some(1), message });
        };
        Ok(Self { reader, path, column, policy: options.invalid_utf8, record: ByteRecord::new() })
    }
}

impl Reader for Table {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        if !self.reader.read_byte_record(&mut self.record).map_err(|error| failure(&self.path, &error))? {
            return Ok(false);
        }
        let line = self.record.position().map(|position| position.line() as usize);
        // The reader has made sure that every record is as long as the header.
        let bytes = self.record.get(self.column).unwrap_or_default().to_vec();
        if let Some(text) = decode(bytes, self.policy, &self.path, line, stats)? {
            to.record(&text, stats);
        }
        Ok(true)
    }
}

fn failure(path: &std::path::Path, error: &csv::Error) -> Error {
    let line = error.position().map(|position| position.line() as usize);
    Error::Input { path: path.to_owned(), line, message: error.to_string() }
}

//! Comma-separated and tab-separated values.

use super::stream::Stream;
use super::{Assembler, ReadOptions, ReadStats, Reader, decode};
use crate::config::InvalidUtf8;
use crate::error::{Error, Result};
use crate::rows::{Fields, Rows};
use crate::suggest::hint;
use std::io::BufRead;
use std::path::PathBuf;

/// Rows with a header.
pub(super) struct TextTable {
    rows: Rows<Stream>,
    path: PathBuf,
    /// Fields of the header.
    width: usize,
    column: usize,
    policy: InvalidUtf8,
}

impl TextTable {
    /// The rows of `stream`; what `fields` makes of the header says how they are told apart.
    pub(super) fn new(
        mut stream: Stream,
        path: PathBuf,
        fields: fn(&str) -> Fields,
        options: &ReadOptions,
    ) -> Result<Self> {
        let start = stream.fill_buf().map_err(|error| Error::input(&path, error.to_string()))?;
        let first = start.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
        let fields = fields(String::from_utf8_lossy(first).trim_end_matches('\r'));
        let mut rows = Rows::new(stream, fields);
        let (line, header) = match rows.next_row() {
            Some((line, header)) => (line, header.map(|header| header.iter().map(<[u8]>::to_vec).collect())),
            None => (1, Ok(Vec::<Vec<u8>>::new())),
        };
        let wrong = |message: String| Error::Input { path: path.clone(), line: Some(line), message };
        let header = header.map_err(wrong)?;
        let name = &options.text_field;
        // As it is written, or else in any case.
        let exact = |field: &&Vec<u8>| field.as_slice() == name.as_bytes();
        let similar = |field: &&Vec<u8>| field.eq_ignore_ascii_case(name.as_bytes());
        let count = |is: &dyn Fn(&&Vec<u8>) -> bool| header.iter().filter(is).count();
        if count(&exact) > 1 || count(&exact) == 0 && count(&similar) > 1 {
            return Err(wrong(format!("there are two columns \"{name}\"; expected one")));
        }
        let place = header.iter().position(|field| exact(&field));
        let Some(column) = place.or_else(|| header.iter().position(|field| similar(&field))) else {
            let columns: Vec<_> = header.iter().map(|field| String::from_utf8_lossy(field)).collect();
            let hint = hint(name, columns.iter().map(AsRef::as_ref));
            let message = format!(
                "there is no column \"{name}\"; the columns are: {}; --text-field chooses one{hint}",
                columns.join(", ")
            );
            return Err(wrong(message));
        };
        Ok(Self { rows, width: header.len(), column, policy: options.invalid_utf8, path })
    }
}

impl Reader for TextTable {
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool> {
        let Some((line, row)) = self.rows.next_row() else { return Ok(false) };
        let wrong = |message: String| Error::Input { path: self.path.clone(), line: Some(line), message };
        let row = row.map_err(wrong)?;
        if row.len() != self.width {
            return Err(wrong(format!("{} fields; expected {}, as the header has", row.len(), self.width)));
        }
        let bytes = row.iter().nth(self.column).unwrap_or_default().to_vec();
        if let Some(text) = decode(bytes, self.policy, &self.path, Some(line), stats)? {
            to.record(&text, stats);
        }
        Ok(true)
    }
}

//! Rows of fields between tabs, commas or semicolons: one reader for corpora and for labelled files.

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use std::collections::VecDeque;
use std::io::Read;

/// How the fields of a row are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    /// A tab, a comma or a semicolon.
    pub delimiter: u8,
    /// Whether quotes may hold it, and line ends.
    pub quoted: bool,
}

impl Fields {
    /// Those of a file of fields between tabs with the header `first`. A quote is a character like any other there, unless every
    /// name of the header has them.
    pub(crate) fn tabs(first: &str) -> Self {
        let is_quoted = |name: &str| name.len() > 1 && name.starts_with('"') && name.ends_with('"');
        Self { delimiter: b'\t', quoted: first.split('\t').all(|name| is_quoted(name.trim())) }
    }

    /// Those of a file of comma-separated values with the header `first`, which spreadsheets write with semicolons too.
    pub(crate) fn commas(first: &str) -> Self {
        let is_there = |byte: &u8| first.as_bytes().contains(byte);
        Self { delimiter: [b',', b';', b'\t'].into_iter().find(is_there).unwrap_or(b','), quoted: true }
    }
}

/// Reads rows one by one.
pub(crate) struct Rows<R> {
    reader: Reader<Lines<R>>,
    record: ByteRecord,
    quoted: bool,
    has_failed: bool,
}

impl<R: Read> Rows<R> {
    /// The rows of `inner`.
    pub(crate) fn new(inner: R, fields: Fields) -> Self {
        let lines = Lines {
            inner,
            offset: 0,
            line: 1,
            is_begun: false,
            begun: VecDeque::new(),
            from: 0,
            quotes: VecDeque::new(),
        };
        let mut builder = ReaderBuilder::new();
        builder.delimiter(fields.delimiter).quoting(fields.quoted).has_headers(false).flexible(true);
        if !fields.quoted {
            // A carriage return within a line is no end of it.
            builder.terminator(Terminator::Any(b'\n'));
        }
        let (record, quoted) = (ByteRecord::new(), fields.quoted);
        Self { reader: builder.from_reader(lines), record, quoted, has_failed: false }
    }

    /// The line that the next row begins on, from 1, and its fields or what is wrong with it; blank lines are left out. After a row
    /// that cannot be read there is none.
    pub(crate) fn next_row(&mut self) -> Option<(usize, Result<DelimitedRow<'_>, String>)> {
        let line = match self.advance()? {
            (line, Ok(())) => line,
            (line, Err(message)) => return Some((line, Err(message))),
        };
        Some((line, Ok(DelimitedRow { record: &self.record, is_quoted: self.quoted })))
    }

    fn advance(&mut self) -> Option<(usize, Result<(), String>)> {
        while !self.has_failed {
            let before = self.reader.position().byte();
            self.reader.get_mut().record_from(before);
            let more = self.reader.read_byte_record(&mut self.record);
            let line = self.reader.get_mut().at(before);
            match more {
                Ok(false) => return None,
                Ok(true) => {}
                Err(error) => {
                    self.has_failed = true;
                    return Some((line, Err(message(&error))));
                }
            }
            if self.record.len() <= 1 && self.record.iter().all(|field| field.trim_ascii().is_empty()) {
                continue;
            }
            let end = self.reader.position().byte();
            // Otherwise every row after the quote would become part of one text without a word.
            let has_ends = self.record.iter().any(|field| field.contains(&b'\n'));
            if self.quoted && has_ends && self.reader.get_ref().is_open(end) {
                self.has_failed = true;
                let message = "a quote is opened in this row and never closed; expected its end, or two of them for a quote in a text";
                return Some((line, Err(message.into())));
            }
            return Some((line, Ok(())));
        }
        None
    }
}

/// The fields of a row.
pub(crate) struct DelimitedRow<'a> {
    record: &'a ByteRecord,
    is_quoted: bool,
}

impl<'a> DelimitedRow<'a> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.record.len()
    }

    /// The fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let last = self.len() - 1;
        let is_quoted = self.is_quoted;
        // What is left of a line end where quotes do not hold any.
        let bare = move |(at, field): (usize, &'a [u8])| match field.strip_suffix(b"\r") {
            Some(bare) if at == last && !is_quoted => bare,
            _ => field,
        };
        self.record.iter().enumerate().map(bare)
    }
}

fn message(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// Remembers which lines begin in the bytes that pass through. The parser's own count is of the line end before a record,
/// which is too small after blank lines and CRLF.
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

/// Bytes that a row may have: a quote that is never closed must not make one of the whole file.
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

    /// The first line that begins at `offset` or after it; forgets those before it.
    fn at(&mut self, offset: u64) -> usize {
        while self.begun.front().is_some_and(|&(begin, _)| begin < offset) {
            self.begun.pop_front();
        }
        self.begun.front().map_or(self.line, |&(_, line)| line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, fields: Fields) -> Vec<(usize, Result<Vec<String>, String>)> {
        let mut rows = Rows::new(text.as_bytes(), fields);
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
        let mut all = Vec::new();
        while let Some((line, row)) = rows.next_row() {
            all.push((line, row.map(|row| row.iter().map(text).collect())));
        }
        all
    }

    fn row(fields: &[&str]) -> Result<Vec<String>, String> {
        Ok(fields.iter().map(|&field| field.to_owned()).collect())
    }

    #[test]
    fn tabs_have_no_quotes_and_commas_have() {
        let tabs = all("a\tb\r\n\n\"x\ty\rz\n", Fields::tabs("a\tb"));
        assert_eq!(tabs, [(1, row(&["a", "b"])), (3, row(&["\"x", "y\rz"]))]);
        let commas = all("a,b\r\n\r\n\"x\r\n,\",\"\"\"y\"\n \n7,8", Fields::commas("a,b"));
        assert_eq!(commas, [(1, row(&["a", "b"])), (3, row(&["x\r\n,", "\"y"])), (6, row(&["7", "8"]))]);
        assert_eq!(Fields::commas("a;b").delimiter, b';');
        assert!(Fields::tabs("\"a\"\t\"b\"").quoted && !Fields::tabs("\"a\"\tb").quoted);
    }

    #[test]
    fn a_quote_that_stays_open_ends_the_rows() {
        let rows = all("a,b\n1,\"x\n2,y\n", Fields::commas("a,b"));
        assert_eq!(rows.len(), 2);
        assert!(rows[1].0 == 2 && rows[1].1.as_ref().unwrap_err().contains("never closed"), "{rows:?}");
        assert_eq!(all("a,b\n1,6\" pipe", Fields::commas("a,b"))[1], (2, row(&["1", "6\" pipe"])));
    }

    #[test]
    fn a_row_without_end_is_bounded() {
        let text = format!("a,b\n1,\"{}", "x\n".repeat(9 << 20));
        let rows = all(&text, Fields::commas("a,b"));
        assert!(rows[1].1.as_ref().unwrap_err().contains("more than 16 MiB"), "{:?}", rows[1].1.as_ref().map(Vec::len));
    }
}

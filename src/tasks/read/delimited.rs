//! Fields between tabs, commas or semicolons.

use super::form::Layout;
use super::is_blank;
use super::source::{Source, decode};
use csv::{ByteRecord, ReaderBuilder};
use std::borrow::Cow;

/// The number of the line that a row begins on, and its fields or what is wrong with it.
pub type Row<'a> = (usize, std::result::Result<Vec<Cow<'a, str>>, String>);

/// Bytes that a row may have: a quote that is never closed must not make one of the whole file.
const LONGEST: usize = 16 << 20;

/// The rows of `source`; blank lines are left out.
pub fn rows<'a>(source: &'a Source, layout: Layout) -> Box<dyn Iterator<Item = Row<'a>> + 'a> {
    match layout {
        Layout::Fields { delimiter, quoted: true } => Box::new(quoted(source, delimiter)),
        Layout::Fields { .. } | Layout::JsonLines | Layout::JsonArray => Box::new(tabs(source)),
    }
}

/// Lines of fields between tabs. A quote is a character like any other.
fn tabs(source: &Source) -> impl Iterator<Item = Row<'_>> {
    let lines = source.lines().filter(|(_, line)| !matches!(line, Ok(line) if is_blank(line) && !line.contains('\t')));
    lines.map(|(number, line)| (number, line.map(|line| line.split('\t').map(Cow::Borrowed).collect())))
}

/// Records of fields between `delimiter`, where quotes may hold it and line ends.
fn quoted(source: &Source, delimiter: u8) -> impl Iterator<Item = Row<'_>> {
    let bytes = source.bytes();
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
    let mut lines = LineCounter { bytes, offset: 0, line: 1 };
    let mut record = ByteRecord::new();
    std::iter::from_fn(move || {
        loop {
            let before = reader.position().byte() as usize;
            match reader.read_byte_record(&mut record) {
                Ok(false) => return None,
                Ok(true) => {}
                Err(error) => return Some((lines.line, Err(error.to_string()))),
            }
            let end = reader.position().byte() as usize;
            let line = lines.at(before);
            if record.len() == 1 && record.iter().all(|field| field.trim_ascii().is_empty()) {
                continue;
            }
            if end >= bytes.len() && is_open(bytes.get(before..).unwrap_or_default(), &record) {
                return Some((line, Err("a quote is opened in this row and never closed".into())));
            }
            if end - before > LONGEST {
                let message = format!("the row has more than {} MiB; expected a quote that is closed", LONGEST >> 20);
                return Some((line, Err(message)));
            }
            return Some((
                line,
                record.iter().map(|field| decode(field, "field").map(|text| Cow::Owned(text.to_owned()))).collect(),
            ));
        }
    })
}

/// Whether the last record runs to the file's end because a quote is missing: without this, every row after the quote
/// would quietly become part of one text.
fn is_open(raw: &[u8], record: &ByteRecord) -> bool {
    let odd = raw.iter().filter(|&&byte| byte == b'"').count() % 2 == 1;
    odd && record.iter().any(|field| field.contains(&b'\n'))
}

/// Finds the lines of growing offsets. The parser's own count is of the line end before a record, which is
/// too small behind blank lines and CRLF.
struct LineCounter<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: usize,
}

impl LineCounter<'_> {
    /// The line of the first byte at or behind the offset that is no line end.
    fn at(&mut self, offset: usize) -> usize {
        let is_end = |&&byte: &&u8| byte == b'\n' || byte == b'\r';
        let offset = offset + self.bytes.iter().skip(offset).take_while(is_end).count();
        let passed = self.bytes.get(self.offset..offset).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.offset = self.offset.max(offset);
        self.line
    }
}

//! Streaming readers: files of several formats become documents, one at a time.
//!
//! Whatever the format, a document is its lines without blank ones, joined by `\n`; so the same text gives the same
//! documents, and the same store, from any of them.

mod kind;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod source;
mod stream;
mod table;

use crate::config::{Boundary, CorpusConfig, Format, InvalidUtf8};
use crate::error::{Error, Result};
use crate::json::HALF;
pub(crate) use kind::{is_old_mac, refusal};
use source::{CorpusFile, FoundFiles, Origin};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use stream::unpack;

/// A document that is longer is cut into several, so that memory stays bounded.
pub const MAX_DOCUMENT_BYTES: usize = 8 << 20;

/// How files become documents: [`CorpusConfig`] without what concerns the store.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Format of all files; otherwise by their names.
    pub format: Option<Format>,
    /// Field or column that holds the text.
    pub text_field: String,
    /// What ends a document in plain text.
    pub boundary: Boundary,
    /// What becomes of text that is not UTF-8.
    pub invalid_utf8: InvalidUtf8,
}

impl From<&CorpusConfig> for ReadOptions {
    fn from(config: &CorpusConfig) -> Self {
        Self {
            format: config.format,
            text_field: config.text_field.clone(),
            boundary: config.boundary,
            invalid_utf8: config.invalid_utf8,
        }
    }
}

/// What the readers saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Bytes read from disk, compressed where the files are.
    pub bytes: u64,
    /// Lines or records that are not UTF-8 and were left out or repaired.
    pub invalid_utf8: u64,
    /// Records without text.
    pub empty: u64,
    /// Documents that were cut, being longer than [`MAX_DOCUMENT_BYTES`].
    pub split: u64,
}

/// Files that hold documents, or documents themselves.
#[derive(Debug, Clone)]
pub struct Corpus {
    name: String,
    sources: Arc<[CorpusFile]>,
    texts: Arc<[String]>,
    options: ReadOptions,
    notes: Arc<[String]>,
}

impl Corpus {
    /// The files of `paths`: files, folders (recursively, sorted by name, files of unknown kinds left out), globs, or
    /// `-` for standard input.
    ///
    /// # Errors
    /// [`Error::Input`] for a path that does not exist, and for a folder or glob without a file that can be read.
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Result<Self> {
        let name = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let mut found = FoundFiles::default();
        for path in paths {
            found.add(path, options.format)?;
        }
        let mut notes = vec![found.described(&options)];
        notes.extend(found.notes());
        let notes = notes.into();
        Ok(Self { name, sources: found.sources.into(), texts: [].into(), options, notes })
    }

    /// Documents that are in memory already.
    pub fn from_texts(name: &str, texts: Vec<String>) -> Self {
        let options = ReadOptions::from(&CorpusConfig::default());
        Self { name: name.into(), sources: [].into(), texts: texts.into(), options, notes: [].into() }
    }

    /// What people should know of the files: how many there are, and what was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Size on disk in bytes; standard input counts nothing.
    pub fn bytes(&self) -> u64 {
        self.sources.iter().map(|source| source.size).sum()
    }

    /// Whether a source is standard input, which can be read once only.
    pub fn is_stdin(&self) -> bool {
        self.sources.iter().any(|source| matches!(source.origin, Origin::Stdin))
    }

    /// The paths as they were given.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The documents from the first on.
    pub fn documents(&self) -> Documents {
        Documents {
            corpus: self.clone(),
            next_source: 0,
            next_text: 0,
            current: None,
            assembler: Assembler::new(MAX_DOCUMENT_BYTES),
            read: Arc::default(),
            stats: ReadStats::default(),
            failed: false,
        }
    }
}

/// The documents of a corpus. After an error there are none.
pub struct Documents {
    corpus: Corpus,
    next_source: usize,
    next_text: usize,
    current: Option<Open>,
    assembler: Assembler,
    read: Arc<AtomicU64>,
    stats: ReadStats,
    failed: bool,
}

struct Open {
    reader: Box<dyn Reader>,
    path: PathBuf,
    explicit: bool,
    documents: usize,
}

/// What reads one file: it hands lines to the assembler, and marks where a document ends.
trait Reader {
    /// Reads a little further; `false` at the end of the file.
    fn advance(&mut self, to: &mut Assembler, stats: &mut ReadStats) -> Result<bool>;
}

impl Documents {
    /// What was seen so far.
    pub fn stats(&self) -> &ReadStats {
        &self.stats
    }

    fn advance(&mut self) -> Result<Option<String>> {
        loop {
            self.stats.bytes = self.read.load(Ordering::Relaxed);
            if let Some(document) = self.assembler.ready.pop_front() {
                if let Some(open) = &mut self.current {
                    open.documents += 1;
                }
                return Ok(Some(document));
            }
            if let Some(text) = self.corpus.texts.get(self.next_text) {
                self.next_text += 1;
                self.assembler.record(text, &mut self.stats);
                continue;
            }
            let Some(open) = &mut self.current else {
                let Some(source) = self.corpus.sources.get(self.next_source) else { return Ok(None) };
                self.next_source += 1;
                let reader = source.open(&self.corpus.options, &self.read)?;
                self.current = Some(Open { reader, path: source.path(), explicit: source.explicit, documents: 0 });
                continue;
            };
            if !open.reader.advance(&mut self.assembler, &mut self.stats)? {
                self.assembler.end(&mut self.stats);
                if self.assembler.ready.is_empty() && open.documents == 0 && open.explicit {
                    return Err(Error::input(&open.path, "the file holds no text; expected at least one document"));
                }
                open.documents += self.assembler.ready.len();
                self.current = None;
            }
        }
    }
}

impl Iterator for Documents {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// Makes documents of lines: leaves blank ones out and cuts what is too long.
struct Assembler {
    limit: usize,
    text: String,
    cut: bool,
    ready: VecDeque<String>,
}

impl Assembler {
    fn new(limit: usize) -> Self {
        Self { limit, text: String::new(), cut: false, ready: VecDeque::new() }
    }

    /// Appends a line to the document.
    fn line(&mut self, mut line: &str) {
        while line.len() > self.limit {
            let (piece, rest) = line.split_at(cut(line.as_bytes(), self.limit));
            self.cut = true;
            self.piece(piece);
            line = rest;
        }
        self.piece(line);
    }

    fn piece(&mut self, piece: &str) {
        let piece = piece.strip_suffix('\r').unwrap_or(piece);
        if piece.trim().is_empty() {
            return;
        }
        if !self.text.is_empty() {
            if self.text.len() + 1 + piece.len() > self.limit {
                self.cut = true;
                self.ready.push_back(std::mem::take(&mut self.text));
            } else {
                self.text.push('\n');
            }
        }
        self.text.push_str(piece);
    }

    /// Ends the document, where one has begun.
    fn end(&mut self, stats: &mut ReadStats) {
        if !self.text.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.text));
        }
        stats.split += u64::from(std::mem::take(&mut self.cut));
    }

    /// A document that is there as a whole.
    fn record(&mut self, text: &str, stats: &mut ReadStats) {
        let before = self.ready.len();
        text.split('\n').for_each(|line| self.line(line));
        self.end(stats);
        stats.empty += u64::from(self.ready.len() == before);
    }
}

/// Where to cut a line that is longer than `limit` bytes: after white space, otherwise between two characters.
fn cut(line: &[u8], limit: usize) -> usize {
    let space = line[..limit].iter().rposition(|byte| matches!(byte, b' ' | b'\t'));
    let boundary = || (limit.saturating_sub(3)..=limit).rev().find(|&at| line[at] & 0xC0 != 0x80);
    // A limit of at least four bytes always leaves a character in front; text that is not UTF-8 is cut anywhere.
    space.map(|at| at + 1).or_else(boundary).filter(|&at| at > 0).unwrap_or(limit)
}

/// Decodes `bytes`, or does with them what the policy says; `None` where they are left out.
fn decode(
    bytes: Vec<u8>,
    policy: InvalidUtf8,
    path: &Path,
    line: Option<usize>,
    stats: &mut ReadStats,
) -> Result<Option<String>> {
    let (bytes, message) = match String::from_utf8(bytes) {
        Ok(text) if !text.contains(NO_TEXT) => return Ok(Some(text)),
        Ok(text) if text.contains(HALF) => {
            (text.into_bytes(), "the text has half a surrogate pair, which is no character")
        }
        Ok(text) => (text.into_bytes(), "the text has a NUL, which is no character of a text"),
        Err(error) => (error.into_bytes(), "the text is not UTF-8; convert it, for example with `iconv -t UTF-8`"),
    };
    stats.invalid_utf8 += 1;
    match policy {
        InvalidUtf8::Skip => Ok(None),
        InvalidUtf8::Replace => {
            Ok(Some(String::from_utf8_lossy(&bytes).replace(NO_TEXT, &char::REPLACEMENT_CHARACTER.to_string())))
        }
        InvalidUtf8::Error => {
            let message = format!("{message}, or choose --invalid-utf8 skip or replace");
            Err(Error::Input { path: path.to_owned(), line, message })
        }
    }
}

/// What no text holds.
const NO_TEXT: [char; 2] = ['\0', HALF];

#[cfg(test)]
mod tests;

//! Which files a corpus consists of, and how they are opened.

use super::kind::{is_old_mac, refusal};
use super::lines::{JsonLines, TextLines};
use super::stream::{decompress, unpacked};
use super::table::TextTable;
use super::{ReadOptions, Reader};
use crate::config::{Boundary, Format};
use crate::error::{Error, Result};
use crate::rows::Fields;
use electra_runs::{counted, readable_count};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone)]
pub(super) enum Origin {
    File(PathBuf),
    Stdin,
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct CorpusFile {
    pub origin: Origin,
    pub format: Format,
    pub size: u64,
    /// Named by the user, not found in a folder or by a glob.
    pub explicit: bool,
}

/// The files of a corpus, and what was left out of its folders.
#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    pub sources: Vec<CorpusFile>,
    /// Files that were met, by their real paths.
    met: HashSet<PathBuf>,
    /// Files that are JSON lines and are not called so.
    json_lines: usize,
    /// Hidden files, and hidden folders.
    hidden: usize,
    /// Files that were met again.
    again: Vec<PathBuf>,
    /// Files of unknown kinds in folders, by the ends of their names.
    unknown: BTreeMap<String, usize>,
    /// Links that lead nowhere or in a circle, and what cannot be read.
    lost: Vec<String>,
}

impl FoundFiles {
    /// Adds the files that `path` stands for.
    ///
    /// # Errors
    /// [`Error::Input`] for a path that does not exist, and for a folder or pattern without a file.
    pub(super) fn add(&mut self, path: &Path, format: Option<Format>) -> Result<()> {
        if path == Path::new("-") {
            let format = format.unwrap_or(Format::Text);
            self.sources.push(CorpusFile { origin: Origin::Stdin, format, size: 0, explicit: true });
            return Ok(());
        }
        if path.is_dir() {
            return self.folder(path, format);
        }
        if path.exists() {
            let format = format.unwrap_or_else(|| self.by_contents(path));
            return self.file(path.to_owned(), format, true);
        }
        let pattern = path.to_string_lossy();
        if !pattern.contains(['*', '?', '[']) {
            return Err(Error::input(path, "there is no such file; expected a text corpus"));
        }
        let matches = glob::glob(&pattern).map_err(|error| Error::input(path, error.to_string()))?;
        let mut found = false;
        for file in matches {
            let file = file.map_err(|error| Error::input(error.path(), error.error().to_string()))?;
            found = true;
            if file.is_dir() {
                self.folder(&file, format)?;
            } else if file.exists() {
                let format = format.unwrap_or_else(|| self.by_contents(&file));
                self.file(file, format, false)?;
            } else {
                self.lost.push(file.display().to_string());
            }
        }
        if found { Ok(()) } else { Err(Error::input(path, "no file fits this pattern")) }
    }

    /// How many files of which kinds there are, and what is taken for a document of them.
    pub(super) fn described(&self, options: &ReadOptions) -> String {
        let field = &options.text_field;
        let of_text = match options.boundary {
            Boundary::Line => "each line a document",
            Boundary::BlankLine => "a blank line ends a document",
        };
        let kinds = [
            (Format::Text, format!("text ({of_text})")),
            (Format::Jsonl, format!("JSON lines (field \"{field}\")")),
            (Format::Csv, format!("CSV (column \"{field}\")")),
            (Format::Tsv, format!("TSV (column \"{field}\")")),
            (Format::Parquet, format!("Parquet (column \"{field}\")")),
        ];
        let count = |format: Format| self.sources.iter().filter(|source| source.format == format).count();
        let kinds = kinds.iter().filter(|(format, _)| count(*format) > 0);
        let several = self.sources.len() > 1;
        let kinds: Vec<String> = match several {
            true => kinds.map(|(format, what)| format!("{} {what}", readable_count(count(*format)))).collect(),
            false => kinds.map(|(_, what)| what.clone()).collect(),
        };
        format!("{}: {}", counted(self.sources.len(), "file"), kinds.join(", "))
    }

    /// What people should know of the files: what was left out, and what is not what it is called.
    pub(super) fn notes(&self) -> Vec<String> {
        let some = |all: Vec<String>| {
            let more = if all.len() > 5 { ", ..." } else { "" };
            format!("{}{more}", all.iter().take(5).cloned().collect::<Vec<_>>().join(", "))
        };
        let mut notes = Vec::new();
        if self.json_lines > 0 {
            let files = counted(self.json_lines, "file");
            notes.push(format!("{files} with JSON lines under another name; --format text takes them for text"));
        }
        if !self.unknown.is_empty() {
            let kinds = self.unknown.iter().map(|(end, count)| format!("{count} {end}")).collect();
            notes.push(format!("files of other kinds left out: {}; --format reads every file", some(kinds)));
        }
        if self.hidden > 0 {
            notes.push(format!(
                "{} left out",
                counted(self.hidden, "hidden file or folder").replace("folders", "folder")
            ));
        }
        if !self.lost.is_empty() {
            notes.push(format!("left out, since they cannot be read: {}", some(self.lost.clone())));
        }
        if !self.again.is_empty() {
            let again = self.again.iter().map(|path| path.display().to_string()).collect();
            notes.push(format!("named twice and read once: {}", some(again)));
        }
        notes
    }

    /// The format that a file's name stands for; text that is JSON lines by its contents is counted.
    fn by_contents(&mut self, path: &Path) -> Format {
        match by_name(path).unwrap_or(Format::Text) {
            Format::Text if path.is_file() && holds_json(path) => {
                self.json_lines += 1;
                Format::Jsonl
            }
            format => format,
        }
    }

    fn file(&mut self, file: PathBuf, format: Format, explicit: bool) -> Result<()> {
        let size = std::fs::metadata(&file).map_err(|error| Error::input(&file, error.to_string()))?.len();
        let real = file.canonicalize().unwrap_or_else(|_| file.clone());
        if self.met.insert(real) {
            self.sources.push(CorpusFile { origin: Origin::File(file), format, size, explicit });
        } else {
            self.again.push(file);
        }
        Ok(())
    }

    /// The files of a folder; hidden ones, and those of hidden folders, are left out.
    fn folder(&mut self, path: &Path, format: Option<Format>) -> Result<()> {
        let before = self.sources.len() + self.again.len();
        let mut hidden = 0;
        let is_visible = |entry: &walkdir::DirEntry| {
            let is_hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
            hidden += usize::from(is_hidden);
            !is_hidden
        };
        for entry in
            walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_visible)
        {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.lost.push(error.path().unwrap_or(path).display().to_string());
                    continue;
                }
            };
            if !entry.file_type().is_file() {
                continue;
            }
            let named = by_name(entry.path()).map(|_| self.by_contents(entry.path()));
            match format.or(named) {
                Some(format) => self.file(entry.into_path(), format, false)?,
                None => {
                    let end = entry.path().extension().map(|end| format!(".{}", end.to_string_lossy().to_lowercase()));
                    *self.unknown.entry(end.unwrap_or_else(|| "without an ending".into())).or_default() += 1;
                }
            }
        }
        self.hidden += hidden;
        if self.sources.len() + self.again.len() > before {
            return Ok(());
        }
        let notes: String = self.notes().iter().map(|note| format!("; {note}")).collect();
        let message = format!(
            "no file in this folder is called .txt, .jsonl, .csv, .tsv or .parquet (or .gz, .zst, .xz after it){notes}"
        );
        Err(Error::input(path, message))
    }
}

/// The format that a file's name stands for.
fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let stem = [".gz", ".zst", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    Some(match stem.rsplit_once('.')?.1 {
        "txt" | "text" | "md" => Format::Text,
        "jsonl" | "ndjson" | "json" => Format::Jsonl,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "parquet" => Format::Parquet,
        _ => return None,
    })
}

impl CorpusFile {
    /// The path, or `-`.
    pub(super) fn path(&self) -> PathBuf {
        match &self.origin {
            Origin::File(path) => path.clone(),
            Origin::Stdin => PathBuf::from("-"),
        }
    }

    /// Opens the file; `read` counts the bytes that come from disk.
    pub(super) fn open(&self, options: &ReadOptions, read: &Arc<AtomicU64>) -> Result<Box<dyn Reader>> {
        let path = self.path();
        if self.format == Format::Parquet {
            return self.parquet(options, read);
        }
        let raw: Box<dyn Read> = match &self.origin {
            Origin::Stdin => Box::new(std::io::stdin()),
            Origin::File(path) => Box::new(File::open(path).map_err(|error| Error::input(path, error.to_string()))?),
        };
        let (stream, first) = decompress(Counted { inner: raw, read: read.clone() })
            .map_err(|error| Error::input(&path, unpacked(&error)))?;
        if let Some(message) = refusal(&first) {
            return Err(Error::input(&path, message));
        }
        if self.format == Format::Text && is_old_mac(&first) {
            let message = "its lines end in a carriage return alone; expected a line feed: `tr '\\r' '\\n' < FILE`";
            return Err(Error::input(&path, message));
        }
        Ok(match self.format {
            Format::Jsonl => Box::new(JsonLines::new(stream, path, options)),
            Format::Csv => Box::new(TextTable::new(stream, path, Fields::commas, options)?),
            Format::Tsv => Box::new(TextTable::new(stream, path, Fields::tabs, options)?),
            Format::Text | Format::Parquet => Box::new(TextLines::new(stream, path, options)),
        })
    }

    #[cfg(feature = "parquet")]
    fn parquet(&self, options: &ReadOptions, read: &Arc<AtomicU64>) -> Result<Box<dyn Reader>> {
        match &self.origin {
            Origin::Stdin => Err(Error::input("-", "a Parquet file cannot be read from standard input; name the file")),
            Origin::File(path) => Ok(Box::new(super::parquet::Rows::open(path, self.size, options, read)?)),
        }
    }

    #[cfg(not(feature = "parquet"))]
    fn parquet(&self, _: &ReadOptions, _: &Arc<AtomicU64>) -> Result<Box<dyn Reader>> {
        Err(Error::input(self.path(), "Parquet is not compiled in; build with `--features parquet`"))
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Whether the first line of the file at `path` is an object of JSON.
fn holds_json(path: &Path) -> bool {
    const LONGEST: u64 = 1 << 20;
    let Ok((stream, _)) = File::open(path).and_then(decompress) else { return false };
    let mut first = Vec::new();
    if stream.take(LONGEST).read_until(b'\n', &mut first).is_err() {
        return false;
    }
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&first).is_ok()
}

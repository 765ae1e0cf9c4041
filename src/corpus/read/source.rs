//! Which files a corpus consists of, and how they are opened.

use super::lines::{JsonLines, TextLines};
use super::table::Table;
use super::{ReadOptions, Reader};
use crate::config::Format;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone)]
pub enum Origin {
    File(PathBuf),
    Stdin,
}

/// One file.
#[derive(Debug, Clone)]
pub struct Source {
    pub origin: Origin,
    pub format: Format,
    pub size: u64,
    /// Named by the user, not found in a folder or by a glob.
    pub explicit: bool,
}

/// Appends the files that `path` stands for.
pub fn expand(path: &Path, format: Option<Format>, into: &mut Vec<Source>) -> Result<()> {
    if path == Path::new("-") {
        let format = format.unwrap_or(Format::Text);
        into.push(Source { origin: Origin::Stdin, format, size: 0, explicit: true });
        return Ok(());
    }
    let mut add = |file: PathBuf, format: Format, explicit: bool| -> Result<()> {
        let size = std::fs::metadata(&file).map_err(|error| Error::input(&file, error.to_string()))?.len();
        into.push(Source { origin: Origin::File(file), format, size, explicit });
        Ok(())
    };
    if path.is_dir() {
        return folder(path, format, &mut add);
    }
    if path.exists() {
        return add(path.to_owned(), format.or_else(|| by_name(path)).unwrap_or(Format::Text), true);
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
            folder(&file, format, &mut add)?;
        } else {
            let format = format.or_else(|| by_name(&file)).unwrap_or(Format::Text);
            add(file, format, false)?;
        }
    }
    if found { Ok(()) } else { Err(Error::input(path, "no file fits this pattern")) }
}

fn folder(
    path: &Path,
    format: Option<Format>,
    add: &mut impl FnMut(PathBuf, Format, bool) -> Result<()>,
) -> Result<()> {
    let mut found = false;
    for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::input(path, error.to_string()))?;
        let hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        if let Some(by_name) = by_name(entry.path()).filter(|_| entry.file_type().is_file() && !hidden) {
            found = true;
            add(entry.into_path(), format.unwrap_or(by_name), false)?;
        }
    }
    if found {
        return Ok(());
    }
    Err(Error::input(path, "no file in this folder is called .txt, .jsonl, .csv, .tsv or .parquet (or .gz, .zst, .xz)"))
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

/// A decompressed stream of bytes.
pub type Stream = BufReader<Box<dyn Read>>;

impl Source {
    /// The path, or `-`.
    pub fn path(&self) -> PathBuf {
        match &self.origin {
            Origin::File(path) => path.clone(),
            Origin::Stdin => PathBuf::from("-"),
        }
    }

    /// Opens the file; `read` counts the bytes that come from disk.
    pub fn open(&self, options: &ReadOptions, read: &Arc<AtomicU64>) -> Result<Box<dyn Reader>> {
        let path = self.path();
        if self.format == Format::Parquet {
            return self.parquet(options, read);
        }
        let raw: Box<dyn Read> = match &self.origin {
            Origin::Stdin => Box::new(std::io::stdin()),
            Origin::File(path) => Box::new(File::open(path).map_err(|error| Error::input(path, error.to_string()))?),
        };
        let stream = decompress(Counted { inner: raw, read: read.clone() })
            .map_err(|error| Error::input(&path, error.to_string()))?;
        Ok(match self.format {
            Format::Jsonl => Box::new(JsonLines::new(stream, path, options)),
            Format::Csv => Box::new(Table::new(stream, path, b',', options)?),
            Format::Tsv => Box::new(Table::new(stream, path, b'\t', options)?),
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

/// Reads `count` bytes, fewer at the end, and puts them back in front.
fn peek(mut stream: impl Read, count: u64) -> std::io::Result<(Vec<u8>, impl Read)> {
    let mut first = Vec::new();
    (&mut stream).take(count).read_to_end(&mut first)?;
    Ok((first.clone(), Cursor::new(first).chain(stream)))
}

/// Unpacks gzip, zstd and xz, told by their first bytes, and leaves out a byte order mark.
fn decompress(raw: impl Read + 'static) -> std::io::Result<Stream> {
    let (first, raw) = peek(raw, 6)?;
    let raw = BufReader::with_capacity(1 << 16, raw);
    let plain: Box<dyn Read> = if first.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(raw))
    } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(raw)?;
        decoder.window_log_max(27)?;
        Box::new(decoder)
    } else if first.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(raw))
    } else {
        Box::new(raw)
    };
    let (first, plain) = peek(plain, 3)?;
    let mut plain: Box<dyn Read> = Box::new(plain);
    if first == [0xef, 0xbb, 0xbf] {
        plain.read_exact(&mut [0; 3])?;
    }
    Ok(BufReader::with_capacity(1 << 16, plain))
}

//! A shard: a safetensors file with the ids of some documents, `tokens` (u16 or u32), and where these begin,
//! `document_offsets` (u64, one more than documents).

use super::manifest::{ShardEntry, Width, hex};
use crate::error::{Error, Result};
use crate::files;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Writes a shard document by document. Ids go straight to a file, so that memory does not grow with the shard.
pub(super) struct ShardWriter {
    directory: PathBuf,
    number: usize,
    width: Width,
    ids: BufWriter<File>,
    offsets: Vec<u64>,
}

/// The ids of a shard before its header is known.
const PENDING: &str = "tokens.partial";

impl ShardWriter {
    pub(super) fn create(directory: &Path, number: usize, width: Width) -> Result<Self> {
        let path = directory.join(PENDING);
        let file = File::create(&path).map_err(Error::io(&path))?;
        let ids = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { directory: directory.to_owned(), number, width, ids, offsets: vec![0] })
    }

    /// Tokens so far.
    pub(super) fn tokens(&self) -> usize {
        self.offsets.last().map_or(0, |&end| end as usize)
    }

    /// Whether the next document belongs to the next shard, where a shard has `tokens` at most.
    pub(super) fn is_full(&self, tokens: usize) -> bool {
        self.tokens() >= tokens || self.offsets.len() as u64 >= DOCUMENTS
    }

    /// Appends a document.
    pub(super) fn push(&mut self, ids: &[u32]) -> Result<()> {
        let write = |id: &u32| match self.width {
            // `Width::of` has made sure that the ids fit.
            Width::U16 => self.ids.write_all(&(*id as u16).to_le_bytes()),
            Width::U32 => self.ids.write_all(&id.to_le_bytes()),
        };
        ids.iter().try_for_each(write).map_err(Error::io(self.directory.join(PENDING)))?;
        self.offsets.push((self.tokens() + ids.len()) as u64);
        Ok(())
    }

    /// Completes the file, flushes it and gives it its name.
    pub(super) fn finish(mut self) -> Result<ShardEntry> {
        let pending = self.directory.join(PENDING);
        self.ids.flush().map_err(Error::io(&pending))?;
        let (tokens, documents) = (self.tokens(), self.offsets.len() - 1);
        let file = format!("tokens-{:05}.safetensors", self.number);
        let partial = self.directory.join(format!("{file}.partial"));
        let sha256 = self.write(&partial, &pending, tokens).map_err(Error::io(&partial))?;
        let path = self.directory.join(&file);
        std::fs::rename(&partial, &path).map_err(Error::io(&path))?;
        std::fs::remove_file(&pending).map_err(Error::io(&pending))?;
        Ok(ShardEntry { file, documents, tokens, sha256 })
    }

    /// Offsets first: the tensor with the widest elements leads, so that all are aligned.
    fn write(&self, path: &Path, pending: &Path, tokens: usize) -> std::io::Result<String> {
        let middle = 8 * self.offsets.len();
        let end = middle + tokens * self.width.bytes();
        let dtype = match self.width {
            Width::U16 => "U16",
            Width::U32 => "U32",
        };
        let mut header = serde_json::json!({
            "document_offsets": {"dtype": "U64", "shape": [self.offsets.len()], "data_offsets": [0, middle]},
            "tokens": {"dtype": dtype, "shape": [tokens], "data_offsets": [middle, end]},
        })
        .to_string()
        .into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');

        let mut out = Hashed { inner: BufWriter::with_capacity(1 << 16, File::create(path)?), hash: Sha256::new() };
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for offset in &self.offsets {
            out.write_all(&offset.to_le_bytes())?;
        }
        std::io::copy(&mut BufReader::with_capacity(1 << 16, File::open(pending)?), &mut out)?;
        out.flush()?;
        out.inner.get_ref().sync_all()?;
        Ok(hex(&out.hash.finalize()))
    }
}

struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// An open shard. Its ids stay in the file and are read from there: mapped into memory, a file that another program cuts
/// would end the process with a signal.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    file: Mutex<File>,
    width: Width,
    /// Bytes before the first id.
    start: u64,
    /// Where each document begins, in tokens, and the total after the last.
    offsets: Vec<u64>,
}

impl Shard {
    /// Opens the file at `path` and checks its header and the beginnings of its documents.
    ///
    /// # Errors
    /// [`Error::Input`] where it is not a shard as `entry` and `width` describe it.
    pub(super) fn open(path: &Path, entry: &ShardEntry, width: Width) -> Result<Self> {
        let mut file = files::open(path).map_err(|error| Error::input(path, format!("{error}; expected a shard")))?;
        let damaged = |what: String| Error::input(path, format!("{what}; the store is damaged, build it again"));
        let [tokens, offsets] = layout(&mut file, width).map_err(damaged)?;
        let found = ((tokens.end - tokens.start) / width.bytes() as u64, (offsets.end - offsets.start) / 8 - 1);
        if found != (entry.tokens as u64, entry.documents as u64) {
            let message = format!("it holds {found:?} tokens and documents, the manifest says otherwise");
            return Err(damaged(message));
        }
        let offsets = read_offsets(&mut file, offsets).map_err(|error| damaged(error.to_string()))?;
        check_offsets(&offsets, found.0).map_err(damaged)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), width, start: tokens.start, offsets })
    }

    /// Compares the file with its hash, and the ids with the size of the vocabulary.
    pub(super) fn verify(&self, entry: &ShardEntry, vocab_size: usize) -> Result<()> {
        let path = &self.path;
        let found = files::sha256(path).map_err(|error| Error::input(path, error.to_string()))?;
        if found != entry.sha256 {
            let message = format!(
                "its sha256 is {found}, the manifest says {}; the file is damaged, build the store again",
                entry.sha256
            );
            return Err(Error::input(path, message));
        }
        let mut block = Vec::new();
        for start in (0..self.len()).step_by(1 << 16) {
            block.clear();
            self.read(start..self.len().min(start + (1 << 16)), &mut block)?;
            if let Some(id) = block.iter().find(|&&id| id as usize >= vocab_size) {
                let message = format!("it holds id {id}; expected ids below vocab_size, {vocab_size}");
                return Err(Error::input(path, message));
            }
        }
        Ok(())
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.offset(self.documents())
    }

    /// Number of documents.
    pub(super) fn documents(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Where document `index` begins; for the number of documents, where the last one ends.
    pub(super) fn offset(&self, index: usize) -> usize {
        self.offsets[index] as usize
    }

    /// Appends the ids of `tokens`.
    ///
    /// # Errors
    /// [`Error::Input`] where the file has changed since it was opened, so that it has them no longer.
    pub(super) fn read(&self, tokens: Range<usize>, into: &mut Vec<u32>) -> Result<()> {
        let size = self.width.bytes();
        let mut bytes = vec![0; tokens.len() * size];
        let start = self.start + (tokens.start * size) as u64;
        read_at(&mut self.file.lock().unwrap_or_else(PoisonError::into_inner), start, &mut bytes).map_err(|error| {
            let message =
                format!("token {} cannot be read ({error}); the file was changed while it was in use", tokens.start);
            Error::input(&self.path, message)
        })?;
        match self.width {
            Width::U16 => {
                into.extend(bytes.as_chunks::<2>().0.iter().map(|id| u32::from(u16::from_le_bytes(*id))));
            }
            Width::U32 => into.extend(bytes.as_chunks::<4>().0.iter().map(|id| u32::from_le_bytes(*id))),
        }
        Ok(())
    }
}

fn read_at(file: &mut File, start: u64, bytes: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(bytes)
}

fn read_offsets(file: &mut File, place: Range<u64>) -> std::io::Result<Vec<u64>> {
    let mut bytes = vec![0; (place.end - place.start) as usize];
    read_at(file, place.start, &mut bytes)?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|offset| u64::from_le_bytes(*offset)).collect())
}

fn check_offsets(offsets: &[u64], tokens: u64) -> std::result::Result<(), String> {
    let mut before = 0;
    for (index, &offset) in offsets.iter().enumerate() {
        if offset < before || (index == 0 && offset != 0) {
            return Err(format!("document_offsets[{index}] is {offset}; expected 0 first and no step back"));
        }
        before = offset;
    }
    if before != tokens {
        return Err(format!("document_offsets end at {before}; expected {tokens}, the number of tokens"));
    }
    Ok(())
}

/// Where `tokens` and `document_offsets` lie in a safetensors file.
fn layout(file: &mut File, width: Width) -> std::result::Result<[Range<u64>; 2], String> {
    let wrong = |error: &dyn std::fmt::Display| format!("its header is wrong: {error}");
    let size = file.metadata().map_err(|error| wrong(&error))?.len();
    let mut length = [0; 8];
    read_at(file, 0, &mut length).map_err(|error| wrong(&error))?;
    let length = u64::from_le_bytes(length);
    if length > HEADER {
        return Err(wrong(&format_args!("it has {length} bytes, expected {HEADER} at most")));
    }
    let mut header = vec![0; length as usize];
    read_at(file, 8, &mut header).map_err(|error| wrong(&error))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| wrong(&error))?;
    let dtype = match width {
        Width::U16 => Dtype::U16,
        Width::U32 => Dtype::U32,
    };
    let find = |name: &str, dtype: Dtype, bytes: usize| {
        let info = metadata.info(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        if info.dtype != dtype || info.shape.len() != 1 {
            return Err(format!("`{name}` is {:?} {:?}; expected {dtype:?} of one dimension", info.dtype, info.shape));
        }
        let (start, end) = info.data_offsets;
        if info.shape[0].checked_mul(bytes) != end.checked_sub(start) {
            return Err(format!("`{name}` has {:?} elements, but its bytes are {start} to {end}", info.shape));
        }
        let range = (start as u64).saturating_add(8 + length)..(end as u64).saturating_add(8 + length);
        if range.end > size {
            return Err(format!("`{name}` ends beyond the file"));
        }
        Ok(range)
    };
    let (tokens, offsets) = (find("tokens", dtype, width.bytes())?, find("document_offsets", Dtype::U64, 8)?);
    // What the header does not name would be hashed all the same, however much it is.
    let end = tokens.end.max(offsets.end);
    if end != size {
        return Err(format!("it has {size} bytes; expected {end}, as its header says"));
    }
    let documents = (offsets.end - offsets.start) / 8;
    if !(1..=DOCUMENTS).contains(&documents) {
        return Err(format!("`document_offsets` has {documents} elements; expected 1 to {DOCUMENTS}"));
    }
    Ok([tokens, offsets])
}

/// Bytes of a shard's header, at most.
const HEADER: u64 = 1 << 16;

/// Beginnings of documents in a shard, at most: they are held in memory.
const DOCUMENTS: u64 = 1 << 28;

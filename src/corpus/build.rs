//! Building a store: documents are tokenized on all cores and written shard by shard. Whatever stops a build, the next
//! one resumes after the last whole shard and ends in the same bytes.

use super::Progress;
use super::hold_out::HoldOut;
use super::manifest::{Duplicates, HeldOut, MANIFEST, Manifest, SCHEMA_VERSION, ShardEntry, Width, sha256};
use super::read::{Corpus, Documents, ReadStats};
use super::shard::{Shard, ShardWriter};
use super::split::{self, Layout};
use crate::config::VALIDATION_SHARE;
use crate::error::{Error, Result};
use crate::tokenizer::{MOST, Tokenizer, Unknown};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// How a store is built.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildOptions {
    /// Which documents are held out.
    pub hold_out: HoldOut,
    /// Leave out documents that are equal to an earlier one.
    pub drop_duplicates: bool,
    /// A shard ends with the document that brings it to this many tokens.
    pub shard_tokens: usize,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { hold_out: HoldOut::Share(VALIDATION_SHARE), drop_duplicates: false, shard_tokens: 1 << 26 }
    }
}

/// What a build has come to.
#[derive(Debug)]
pub struct Built {
    /// The store.
    pub manifest: Manifest,
    /// What the readers saw.
    pub read: ReadStats,
    /// Tokens that were there from an earlier, interrupted build.
    pub resumed: usize,
}

/// Text that is tokenized at a time: enough for all cores, little beside a model.
const BATCH_BYTES: usize = 1 << 20;

/// Tokenizes `corpus` into a new store at `output`, whole or not at all. Until it is whole it lies in `OUTPUT.partial`,
/// where an interrupted build is taken up again.
///
/// # Errors
/// [`Error::Output`] where `output` exists, or another build of it runs or was left unfinished; [`Error::Input`] for a
/// corpus that cannot be read or has changed since the interrupted build.
pub fn build(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    output: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Built> {
    let work = Workplace::open(output)?;
    let tokenizer_json = tokenizer.to_json()?;
    let fresh =
        BuildState { tokenizer_sha256: sha256(tokenizer_json.as_bytes()), options: *options, ..BuildState::default() };
    let mut state = work.state()?.unwrap_or_else(|| fresh.clone());
    if (&state.tokenizer_sha256, state.options) != (&fresh.tokenizer_sha256, fresh.options) {
        let message =
            "an interrupted build with another tokenizer or other options lies here; remove it, or name another output";
        return Err(Error::output(&work.partial, message));
    }
    let resumed = state.tokens();
    let mut input = BuildInput {
        documents: corpus.documents(),
        hash: Xxh3::new(),
        seen: HashSet::new(),
        bytes: 0,
        total: corpus.bytes(),
    };
    input.skip(&state, corpus, progress)?;

    let width = Width::of(tokenizer.vocab_size());
    let unk = tokenizer.special().unk;
    let mut writer: Option<ShardWriter> = None;
    let (mut batch, mut ids, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let more = input.fill(&mut batch, &mut state, progress)?;
        ids.clear();
        ends.clear();
        tokenizer.encode_documents(batch.iter().map(|d: &Item| d.text.as_str()), &mut ids, &mut ends)?;
        let mut start = 0;
        for (item, &end) in batch.iter().zip(&ends) {
            let shard = match &mut writer {
                Some(shard) => shard,
                None => writer.insert(ShardWriter::create(&work.partial, state.shards.len(), width)?),
            };
            shard.push(&ids[start..end])?;
            let unknown = ids[start..end].iter().filter(|&&id| id == unk).count();
            state.unknown_tokens += unknown;
            if unknown > 0 && !state.unknown.is_full() && !tokenizer.has_whole_words() {
                state.unknown.look(&item.text, tokenizer)?;
            }
            start = end;
            if shard.is_full(options.shard_tokens)
                && let Some(shard) = writer.take()
            {
                state.shards.push(shard.finish()?);
                // The counts of the batch run ahead of the shard, those of the item do not.
                work.save(&state.at(item))?;
            }
        }
        batch.clear();
        if !more {
            break;
        }
    }
    if let Some(shard) = writer {
        state.shards.push(shard.finish()?);
    }
    if state.shards.is_empty() {
        return Err(Error::input(corpus.name(), "the corpus holds no text; expected at least one document"));
    }
    let write = |name: &str, text: &str| write_synced(&work.partial.join(name), text.as_bytes());
    write("tokenizer.json", &tokenizer_json)?;
    let mut manifest = state.manifest(tokenizer.vocab_size(), width);
    check_unknown(corpus, &manifest)?;
    manifest.held_out = held_out(&work.partial, &manifest, options.hold_out)?;
    check_training_text(corpus, &manifest, options.hold_out)?;
    write(MANIFEST, &format!("{}\n", pretty(&manifest)?))?;
    work.finish(output)?;
    Ok(Built { manifest, read: *input.documents.stats(), resumed })
}

/// Refuses a store that is held out as a whole.
fn check_training_text(corpus: &Corpus, manifest: &Manifest, hold_out: HoldOut) -> Result<()> {
    if manifest.held_out.documents < manifest.documents || !matches!(hold_out, HoldOut::Share(_)) {
        return Ok(());
    }
    let message = format!(
        "its {} documents are one, or copies of one, which is held out: nothing is left to train on; expected two different \
         documents or more (a blank line ends a document, with `--documents line` every line does)",
        manifest.documents
    );
    Err(Error::input(corpus.name(), message))
}

/// Refuses a store of `[UNK]`.
fn check_unknown(corpus: &Corpus, manifest: &Manifest) -> Result<()> {
    if manifest.unknown_share() > MOST {
        let message = format!(
            "{:.1} % of its {} tokens are [UNK], so there is nothing to learn; expected a tokenizer for this text: {}",
            100.0 * manifest.unknown_share(),
            manifest.tokens,
            manifest.unknown
        );
        return Err(Error::input(corpus.name(), message));
    }
    Ok(())
}

/// A document that is to be tokenized, and what had been read when it came.
struct Item {
    text: String,
    records: u64,
    hash: u128,
    text_bytes: u64,
    duplicates: usize,
}

/// The documents with what is known of all of them so far.
struct BuildInput {
    documents: Documents,
    hash: Xxh3,
    seen: HashSet<u64>,
    bytes: u64,
    total: u64,
}

impl BuildInput {
    /// The next document, and whether it occurred before.
    fn next(&mut self) -> Result<Option<(String, bool)>> {
        let Some(text) = self.documents.next().transpose()? else { return Ok(None) };
        self.hash.update(text.as_bytes());
        // Without a mark, "ab" "c" and "a" "bc" would be the same text; this byte does not occur in UTF-8.
        self.hash.update(&[0xff]);
        self.bytes += text.len() as u64;
        let known = !self.seen.insert(xxh3_64(text.as_bytes()));
        Ok(Some((text, known)))
    }

    /// Reads past what an interrupted build has done, and checks that it is the same text.
    fn skip(&mut self, state: &BuildState, corpus: &Corpus, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        for _ in 0..state.records {
            if self.next()?.is_none() {
                break;
            }
            progress(Progress::Share { done: self.documents.stats().bytes, total: self.total });
        }
        if state.records > 0 && format!("{:032x}", self.hash.digest128()) != state.text_xxh3 {
            return Err(Error::input(
                corpus.name(),
                "the text has changed since the interrupted build; remove the unfinished store, or name another output",
            ));
        }
        Ok(())
    }

    /// Reads a batch; returns whether there may be more.
    fn fill(
        &mut self,
        batch: &mut Vec<Item>,
        state: &mut BuildState,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool> {
        let mut size = 0;
        while size < BATCH_BYTES {
            let Some((text, known)) = self.next()? else {
                state.text_xxh3 = format!("{:032x}", self.hash.digest128());
                return Ok(false);
            };
            state.records += 1;
            state.text_bytes = self.bytes;
            state.duplicates += usize::from(known);
            size += text.len();
            if !(known && state.options.drop_duplicates) {
                batch.push(Item {
                    text,
                    records: state.records,
                    hash: self.hash.digest128(),
                    text_bytes: self.bytes,
                    duplicates: state.duplicates,
                });
            }
        }
        progress(Progress::Share { done: self.documents.stats().bytes, total: self.total });
        Ok(true)
    }
}

/// What a build has done, saved after every shard.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildState {
    tokenizer_sha256: String,
    options: BuildOptions,
    /// Documents read, with those that were dropped.
    records: u64,
    text_xxh3: String,
    text_bytes: u64,
    unknown_tokens: usize,
    #[serde(default)]
    unknown: Unknown,
    duplicates: usize,
    shards: Vec<ShardEntry>,
}

impl BuildState {
    /// The state when `item` had been read.
    fn at(&self, item: &Item) -> Self {
        Self {
            records: item.records,
            text_xxh3: format!("{:032x}", item.hash),
            text_bytes: item.text_bytes,
            duplicates: item.duplicates,
            ..self.clone()
        }
    }

    fn tokens(&self) -> usize {
        self.shards.iter().map(|shard| shard.tokens).sum()
    }

    fn manifest(&self, vocab_size: usize, dtype: Width) -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            tokenizer_sha256: self.tokenizer_sha256.clone(),
            vocab_size,
            dtype,
            text_xxh3: self.text_xxh3.clone(),
            text_bytes: self.text_bytes,
            documents: self.shards.iter().map(|shard| shard.documents).sum(),
            tokens: self.tokens(),
            unknown_tokens: self.unknown_tokens,
            unknown: self.unknown.clone(),
            duplicates: Duplicates { found: self.duplicates, dropped: self.options.drop_duplicates },
            held_out: HeldOut { by: self.options.hold_out, documents: 0, tokens: 0, sha256: String::new() },
            shards: self.shards.clone(),
        }
    }
}

/// Chooses the held-out documents among those of the shards, and writes their list.
fn held_out(directory: &Path, manifest: &Manifest, by: HoldOut) -> Result<HeldOut> {
    let open = |entry: &ShardEntry| Shard::open(&directory.join(&entry.file), entry, manifest.dtype);
    let mut layout = Layout::new(manifest.shards.iter().map(open).collect::<Result<_>>()?);
    let start = |document| layout.document_start(document);
    let chosen = by.choose(&layout.hashes()?, |document| start(document + 1) - start(document));
    layout.hold_out(&chosen);
    let list = split::list(&chosen);
    write_synced(&directory.join(split::FILE), &list)?;
    Ok(HeldOut { by, documents: chosen.len(), tokens: layout.held_tokens(), sha256: sha256(&list) })
}

/// The directory of an unfinished store, held by one process.
struct Workplace {
    partial: PathBuf,
    lock: File,
}

const STATE: &str = "state.json";
const LOCK: &str = "lock";

impl Workplace {
    fn open(output: &Path) -> Result<Self> {
        let exists =
            || Error::output(output, "it exists, and a finished store is never changed; expected a new directory");
        if output.exists() {
            return Err(exists());
        }
        let mut name = output.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = output.with_file_name(name);
        let made = |error: std::io::Error| Error::output(&partial, format!("the store cannot be written: {error}"));
        std::fs::create_dir_all(&partial).map_err(made)?;
        let lock = File::create(partial.join(LOCK)).map_err(made)?;
        lock.try_lock().map_err(|_| Error::output(&partial, "another process is building this store"))?;
        // Between the first look and the lock, the other process may have finished.
        if output.exists() {
            return Err(exists());
        }
        Ok(Self { partial, lock })
    }

    fn state(&self) -> Result<Option<BuildState>> {
        let path = self.partial.join(STATE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::input(&path, format!("{error}; remove the unfinished store"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(&path)(error)),
        }
    }

    fn save(&self, state: &BuildState) -> Result<()> {
        let (path, new) = (self.partial.join(STATE), self.partial.join("state.json.partial"));
        write_synced(&new, pretty(state)?.as_bytes())?;
        std::fs::rename(&new, &path).map_err(Error::io(&path))
    }

    /// Removes what only an unfinished store needs and gives the directory its name.
    fn finish(self, output: &Path) -> Result<()> {
        for entry in std::fs::read_dir(&self.partial).map_err(Error::io(&self.partial))? {
            let path = entry.map_err(Error::io(&self.partial))?.path();
            let name = path.file_name().unwrap_or_default();
            // A build that was killed may have left a file without its name.
            if name == STATE || name == LOCK || path.extension().is_some_and(|extension| extension == "partial") {
                std::fs::remove_file(&path).map_err(Error::io(&path))?;
            }
        }
        std::fs::rename(&self.partial, output).map_err(Error::io(output))?;
        drop(self.lock);
        Ok(())
    }
}

fn pretty(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(Error::internal)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io(path))
}

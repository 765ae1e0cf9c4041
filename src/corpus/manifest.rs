//! What a store says of itself.

use super::hold_out::HoldOut;
use crate::error::{Error, Result};
use crate::files;
use crate::tokenizer::{NOTABLE, Unknown};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// Version of the store's format.
pub const SCHEMA_VERSION: u32 = 2;

/// File name of the manifest in a store.
pub(super) const MANIFEST: &str = "manifest.json";

/// Number format of the ids in the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
    /// For vocabularies of up to 65,536 tokens.
    U16,
    /// For larger ones.
    U32,
}

impl Width {
    /// The narrowest one that holds every id of a vocabulary.
    pub(super) fn of(vocab_size: usize) -> Self {
        if vocab_size <= 1 << 16 { Self::U16 } else { Self::U32 }
    }

    /// Bytes of an id.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }
}

/// The manifest of a token store: a function of the documents, the tokenizer and the build's options alone, so that the
/// same text gives the same store from any file format. A field for each key of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// SHA-256 of the store's `tokenizer.json`.
    pub tokenizer_sha256: String,
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Number format of the ids.
    pub dtype: Width,
    /// 128-bit XXH3 of the documents that were read, in hexadecimal.
    pub text_xxh3: String,
    /// Bytes of text in them.
    pub text_bytes: u64,
    /// Documents in the store.
    pub documents: usize,
    /// Tokens in the store.
    pub tokens: usize,
    /// Tokens that are `[UNK]`.
    pub unknown_tokens: usize,
    /// Why the first of them are.
    #[serde(default, skip_serializing_if = "Unknown::is_empty")]
    pub unknown: Unknown,
    /// Documents that occurred before.
    pub duplicates: Duplicates,
    /// The held-out documents, which `held-out.bin` lists.
    pub held_out: HeldOut,
    /// The shards in order.
    pub shards: Vec<ShardEntry>,
}

/// Documents that are equal to an earlier one, by 64-bit hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// How many were found.
    pub found: usize,
    /// Whether they were left out of the store.
    pub dropped: bool,
}

/// The split for validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// How they were chosen.
    pub by: HoldOut,
    /// Documents held out.
    pub documents: usize,
    /// Tokens in them.
    pub tokens: usize,
    /// SHA-256 of the list.
    pub sha256: String,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// File name.
    pub file: String,
    /// Documents in it.
    pub documents: usize,
    /// Tokens in it.
    pub tokens: usize,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of the store in `directory`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, or it is not one of this version.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let text = files::read_text(&path, files::SMALL)
            .map_err(|error| Error::input(&path, format!("{error}; expected the manifest of a token store")))?;
        let manifest: Self = serde_json::from_str(&text).map_err(|error| Error::Input {
            path: path.clone(),
            line: Some(error.line()),
            message: error.to_string(),
        })?;
        if manifest.schema_version != SCHEMA_VERSION {
            let found = manifest.schema_version;
            return Err(Error::input(
                &path,
                format!("schema_version is {found}; expected {SCHEMA_VERSION}; build the store again"),
            ));
        }
        if let Some(shard) = manifest.shards.iter().find(|shard| !files::is_plain_name(&shard.file)) {
            let message = format!("it names the shard {:?}; expected the name of a file beside it", shard.file);
            return Err(Error::input(&path, message));
        }
        Ok(manifest)
    }

    /// Share of the tokens that are held out.
    pub fn held_out_share(&self) -> f64 {
        self.held_out.tokens as f64 / self.tokens.max(1) as f64
    }

    /// What to say where the held-out share is not the one that was asked for; documents are held out whole.
    pub fn held_out_remark(&self) -> Option<String> {
        const FEW: usize = 20;
        let HoldOut::Share(asked) = self.held_out.by else { return None };
        let found = self.held_out_share();
        (found > 1.5 * asked || found < 0.5 * asked).then(|| {
            let (found, asked) = (100.0 * found, 100.0 * asked);
            let few = match self.documents <= FEW {
                true => format!(
                    ", and there are {} (a blank line ends a document, with --documents line every line does)",
                    self.documents
                ),
                false => String::new(),
            };
            format!("{found:.2} % of the tokens are held out, not {asked} %: documents are held out whole{few}")
        })
    }

    /// What to say where many tokens are `[UNK]`: words that nothing can be learned of.
    pub fn unknown_remark(&self) -> Option<String> {
        let share = self.unknown_share();
        let causes = if self.unknown.is_empty() { String::new() } else { format!(": {}", self.unknown) };
        (share > NOTABLE).then(|| format!("warning: {:.2} % of the tokens are [UNK]{causes}", 100.0 * share))
    }

    /// Share of the tokens that are `[UNK]`.
    pub fn unknown_share(&self) -> f64 {
        self.unknown_tokens as f64 / self.tokens.max(1) as f64
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

//! The keys of `[data]`.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The share of the tokens that is held out by default.
pub const VALIDATION_SHARE: f64 = 0.02;

/// Text, sequences and masking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Text files, folders, globs, or one token store; empty: the corpus that is compiled in.
    #[serde(default)]
    pub corpus: Vec<PathBuf>,
    /// Sequences in a batch.
    pub batch_size: usize,
    /// Tokens in a sequence, `[CLS]` and `[SEP]` counted.
    pub sequence_length: usize,
    /// How documents become sequences.
    #[serde(default)]
    pub packing: Packing,
    /// Share of the real tokens that is picked for prediction.
    #[serde(default = "super::default::mask_probability")]
    pub mask_probability: f64,
    /// What is picked as one.
    #[serde(default)]
    pub masking: MaskingUnit,
    /// Share of the picked tokens that the generator sees as `[MASK]`; it sees the others as they are.
    #[serde(default = "super::default::replace_probability")]
    pub replace_probability: f64,
    /// Share of the tokens that is held out for validation, in whole documents. Their contents choose them, so that equal
    /// documents are on the same side; a store that was built before keeps its own.
    #[serde(default = "super::default::validation_share")]
    pub validation_share: f64,
    /// At most this many held-out sequences are used in a validation.
    #[serde(default = "super::default::validation_sequences")]
    pub validation_sequences: usize,
}

/// How documents become sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Windows of the stream of documents; nothing but the very last one is padded.
    #[default]
    Packed,
    /// Windows of one document each, padded to the longest in the batch.
    Documents,
    /// The reference's examples: of one document, 90 % of them as two segments, 5 % with a random shorter target
    /// (`build_pretraining_dataset.py`).
    Reference,
}

/// What is picked for prediction as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskingUnit {
    /// Single tokens, as in the reference.
    #[default]
    Token,
    /// All tokens of a word.
    WholeWord,
    /// Spans of whole words of geometric length (Joshi et al., "SpanBERT", TACL 2020).
    Span,
    /// The last token alone: what comes next.
    Last,
}

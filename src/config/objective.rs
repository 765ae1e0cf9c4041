//! The keys of `[objective]`.

use serde::{Deserialize, Serialize};

/// The ELECTRA objective: `generator_weight * MLM + discriminator_weight * discriminator` (paper, section 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveConfig {
    /// What is trained.
    pub kind: ObjectiveKind,
    /// Weight of the generator's masked-language-model loss.
    pub generator_weight: f64,
    /// Weight of the discriminator's loss, lambda in the paper.
    pub discriminator_weight: f64,
    /// Temperature of the generator's samples.
    pub temperature: f64,
    /// Memory for logits over the vocabulary, in MiB. More picked positions than fit are worked on in chunks, which changes
    /// nothing but the memory; a device whose buffers are smaller takes smaller chunks. The CPU computes them at once.
    pub max_logits_mib: usize,
}

/// ELECTRA, and what the paper compares it with (section 3.4), for comparison at equal steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveKind {
    /// Replaced token detection over all tokens.
    #[default]
    Electra,
    /// Replaced token detection at the picked positions alone.
    #[serde(rename = "electra-15")]
    Electra15,
    /// Masked language modelling, as BERT: the encoder fills `[MASK]`; there is no generator.
    Mlm,
    /// The encoder predicts the words at the picked positions from the generator's samples instead of `[MASK]`.
    ReplaceMlm,
    /// The encoder predicts all words from the corrupted text, with a copy mechanism.
    AllTokensMlm,
}

impl ObjectiveKind {
    /// Whether the encoder that one keeps predicts words.
    pub fn predicts_words(self) -> bool {
        matches!(self, Self::Mlm | Self::ReplaceMlm | Self::AllTokensMlm)
    }
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            kind: ObjectiveKind::Electra,
            generator_weight: 1.0,
            discriminator_weight: 50.0,
            temperature: 1.0,
            max_logits_mib: 512,
        }
    }
}

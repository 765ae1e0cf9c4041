//! A held-out text with the generator's replacements and the discriminator's verdicts, for people: a line of `samples.jsonl`.

use serde::{Deserialize, Serialize};

/// A line of `samples.jsonl`. The names are an interface: other programs read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Steps done.
    pub step: usize,
    /// The tokens without special ones, as many as a sample has room for.
    pub tokens: Vec<SampleToken>,
}

/// A token of a [`Sample`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleToken {
    /// What the discriminator saw.
    pub token: String,
    /// What stood in the text, where that is another token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub original: Option<String>,
    /// The discriminator's probability that the token was replaced; absent where it is no number.
    pub probability: Option<f64>,
}

impl SampleToken {
    /// Whether the discriminator takes the token for a replaced one.
    pub fn is_accused(&self) -> bool {
        self.probability.is_some_and(|probability| probability > 0.5)
    }
}

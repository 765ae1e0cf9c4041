//! Replaced token detection on one text: what the generator makes of it, and what the discriminator says of that.

use crate::config::{Config, ObjectiveConfig};
use crate::data::{HostBatch, Masking, Purpose, Rng};
use crate::error::{Error, Result};
use crate::kernels::StepContext;
use crate::model::ElectraPair;
use crate::objective::{Judged, Tally, judge};
use crate::tokenizer::{Piece, Tokenizer};
use burn::tensor::Device;

/// A generator and a discriminator with their tokenizer.
pub struct Corrupter {
    tokenizer: Tokenizer,
    pair: ElectraPair,
    masking: Masking,
    objective: ObjectiveConfig,
    longest: usize,
    device: Device,
}

/// A token of a corrupted text.
#[derive(Debug, Clone, PartialEq)]
pub struct Corrupted {
    /// The token of the text.
    pub original: Piece,
    /// What the discriminator saw in its place.
    pub token: String,
    /// Whether the generator filled the place, with the original or another token.
    pub picked: bool,
    /// Whether the token is another than the original: the truth.
    pub replaced: bool,
    /// The discriminator's probability that it is.
    pub verdict: f64,
}

impl Corrupter {
    /// One with the networks of `pair`; shares, excluded tokens and temperature as in pretraining.
    pub fn new(tokenizer: Tokenizer, pair: ElectraPair, config: &Config, device: &Device) -> Self {
        let masking = Masking::new(&config.data, &tokenizer.kinds());
        let (objective, longest) = (config.objective.clone(), config.model.max_position_embeddings.saturating_sub(2));
        Self { tokenizer, pair, masking, objective, longest, device: device.clone() }
    }

    /// Corrupts `text` with the random numbers of `seed`; also returns the losses and scores that training would see.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without tokens or longer than the model.
    pub fn corrupt(&self, text: &str, seed: u64) -> Result<(Vec<Corrupted>, Tally)> {
        let pieces = self.tokenizer.encode(text)?;
        if pieces.is_empty() || pieces.len() > self.longest {
            let (found, most) = (pieces.len(), self.longest);
            return Err(Error::Usage(format!("the text has {found} tokens; expected 1 to {most}")));
        }
        let special = self.tokenizer.special();
        let words = pieces.iter().map(|piece| piece.id);
        let row: Vec<u32> = std::iter::once(special.cls).chain(words).chain([special.sep]).collect();
        let rng = |_| Rng::new(seed, Purpose::Mask, 0, 0);
        let host = HostBatch::new(&[row.into()], &self.masking, special.mask, special.pad, rng);
        if host.counts.picked == 0 {
            return Err(Error::Usage("the text holds nothing but special tokens; there is nothing to corrupt".into()));
        }
        let Judged { seen, replaced, tally } =
            judge(&self.pair, &host, &self.device, &self.objective, &StepContext::default())?;
        // Place 0 is [CLS].
        let tokens = (1..).zip(pieces).map(|(at, original)| Corrupted {
            token: self.tokenizer.token(seen[at]).unwrap_or_default(),
            picked: host.picked.contains(&(at as i32)),
            replaced: seen[at] != original.id,
            verdict: replaced[at],
            original,
        });
        Ok((tokens.collect(), tally))
    }
}

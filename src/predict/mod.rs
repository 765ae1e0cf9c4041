//! What trained networks say about a text: its hidden states, which tokens look replaced, what fits in place of `[MASK]`.

mod corrupt;
mod scorer;

pub use corrupt::{Corrupted, Corrupter};

use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::hub::{open, open_masked_lm, place, read_config};
use crate::kernels::StepContext;
use crate::model::{Electra, ElectraForMaskedLm, ElectraForPreTraining, ElectraModel, Init, Inputs};
use crate::tokenizer::{Piece, Tokenizer};
use burn::store::ModuleSnapshot;
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::path::Path;

/// An encoder with its tokenizer.
pub struct TextEncoder(Checkpoint<ElectraModel>);

/// A discriminator with its tokenizer.
pub struct Detector(Checkpoint<ElectraForPreTraining>);

/// A generator with its tokenizer.
pub struct Filler(Checkpoint<ElectraForMaskedLm>);

/// A token and what the discriminator thinks of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The token.
    pub piece: Piece,
    /// Probability that it was replaced.
    pub replaced: f64,
}

/// A token that may stand in place of `[MASK]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    /// Its id.
    pub id: u32,
    /// The token.
    pub token: String,
    /// Its probability.
    pub probability: f64,
}

impl TextEncoder {
    /// Opens a directory in Hugging Face's layout that holds an encoder, whatever its head.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        let directory = &place(directory, &["discriminator"])?;
        let make = |config: &ModelConfig, init: &mut Init| ElectraModel { electra: Electra::new(config, init) };
        Checkpoint::open(directory, device, "ElectraModel", make).map(Self)
    }

    /// The last hidden states of `text` with `[CLS]` and `[SEP]`, a row of `hidden_size` numbers a token.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text longer than the model.
    pub fn encode(&self, text: &str) -> Result<Vec<Vec<f32>>> {
        let pieces = self.0.fitting(text)?;
        let hidden = self.0.model.electra.forward(self.0.inputs(&pieces), &StepContext::default());
        let values: Vec<f32> = hidden.into_data().iter().collect();
        Ok(values.chunks(self.0.config.hidden_size).map(<[f32]>::to_vec).collect())
    }
}

impl Detector {
    /// Opens a directory in Hugging Face's layout that holds an `ElectraForPreTraining`.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, and for a model without that head.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        let directory = &place(directory, &["discriminator"])?;
        Checkpoint::open(directory, device, "ElectraForPreTraining", ElectraForPreTraining::new).map(Self)
    }

    /// A verdict on every token of `text`, which is read in windows where it is longer than the model.
    pub fn detect(&self, text: &str) -> Result<Vec<Verdict>> {
        let checkpoint = &self.0;
        let pieces = checkpoint.tokenizer.encode(text)?;
        let mut verdicts = Vec::with_capacity(pieces.len());
        for window in pieces.chunks(checkpoint.longest()) {
            let context = StepContext::default();
            let hidden = checkpoint.model.electra.forward(checkpoint.inputs(window), &context);
            let probabilities = sigmoid(checkpoint.model.logits(hidden, &context));
            let probabilities: Vec<f32> = probabilities.into_data().iter().collect();
            let of_window = window.iter().zip(&probabilities[1..]);
            verdicts.extend(of_window.map(|(piece, &p)| Verdict { piece: piece.clone(), replaced: f64::from(p) }));
        }
        Ok(verdicts)
    }
}

impl Filler {
    /// Opens a directory in Hugging Face's layout that holds an `ElectraForMaskedLM`.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged, and for a model without that head.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        Checkpoint::masked_lm(&place(directory, &["generator"])?, device).map(Self)
    }

    /// For every `[MASK]` in `text` the `top_k` likeliest fillings, likeliest first.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without `[MASK]` or longer than the model.
    pub fn fill(&self, text: &str, top_k: usize) -> Result<Vec<Vec<Filling>>> {
        let checkpoint = &self.0;
        let pieces = checkpoint.fitting(text)?;
        let mask = checkpoint.tokenizer.special().mask;
        let masked: Vec<usize> = (0..pieces.len()).filter(|&at| pieces[at].id == mask).collect();
        if masked.is_empty() {
            return Err(Error::Usage("the text has no [MASK] to fill".into()));
        }
        let context = StepContext::default();
        let hidden = checkpoint.model.electra.forward(checkpoint.inputs(&pieces), &context);
        let probabilities: Vec<f32> =
            softmax(checkpoint.model.logits(hidden, &context), 1).into_data().iter().collect();
        let words = checkpoint.config.vocab_size;
        // Row 0 is [CLS].
        let rows = masked.into_iter().map(|at| &probabilities[(at + 1) * words..(at + 2) * words]);
        Ok(rows.map(|row| self.likeliest(row, top_k)).collect())
    }

    fn likeliest(&self, probabilities: &[f32], top_k: usize) -> Vec<Filling> {
        // Rows of the word table that no token has are no fillings.
        let tokenizer = &self.0.tokenizer;
        let mut ids: Vec<usize> = (0..probabilities.len()).filter(|&id| tokenizer.token(id as u32).is_some()).collect();
        ids.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let filling = |id: usize| Filling {
            id: id as u32,
            token: self.0.tokenizer.token(id as u32).unwrap_or_default(),
            probability: f64::from(probabilities[id]),
        };
        ids.into_iter().take(top_k).map(filling).collect()
    }
}

/// A network with what is needed to feed it.
struct Checkpoint<M> {
    model: M,
    config: ModelConfig,
    tokenizer: Tokenizer,
    device: Device,
}

impl Checkpoint<ElectraForMaskedLm> {
    fn masked_lm(directory: &Path, device: &Device) -> Result<Self> {
        let config = read_config(directory)?;
        let tokenizer = Tokenizer::load(directory)?;
        let model = open_masked_lm(directory, &config, &tokenizer, device)?;
        Ok(Self { model, config, tokenizer, device: device.clone() })
    }
}

impl<M: ModuleSnapshot> Checkpoint<M> {
    fn open(
        directory: &Path,
        device: &Device,
        class: &str,
        make: impl FnOnce(&ModelConfig, &mut Init) -> M,
    ) -> Result<Self> {
        let config = read_config(directory)?;
        let tokenizer = Tokenizer::load(directory)?;
        let model = open(directory, &config, &tokenizer, device, class, make)?;
        Ok(Self { model, config, tokenizer, device: device.clone() })
    }

    /// Most tokens in one pass, beside `[CLS]` and `[SEP]`.
    fn longest(&self) -> usize {
        self.config.max_position_embeddings.saturating_sub(2).max(1)
    }

    /// The tokens of a text that must fit into one pass.
    fn fitting(&self, text: &str) -> Result<Vec<Piece>> {
        let pieces = self.tokenizer.encode(text)?;
        let (found, most) = (pieces.len(), self.longest());
        if found > most {
            return Err(Error::Usage(format!("the text has {found} tokens; the model takes at most {most}")));
        }
        Ok(pieces)
    }

    fn inputs(&self, pieces: &[Piece]) -> Inputs {
        let special = self.tokenizer.special();
        let words = pieces.iter().map(|piece| piece.id as i32);
        let ids: Vec<i32> = std::iter::once(special.cls as i32).chain(words).chain([special.sep as i32]).collect();
        let shape = [1, ids.len()];
        let input_ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
        Inputs::new(input_ids, None)
    }
}

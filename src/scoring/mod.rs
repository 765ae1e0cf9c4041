//! How well a network likes a sentence, without fine-tuning: the generator by the probability of each word beside the others,
//! the discriminator by the probability that no token was replaced.

pub mod pairs;

use crate::error::{Error, Result};
use crate::kernels::StepContext;
use crate::model::{Electra, ElectraForMaskedLm, ElectraForPreTraining, Inputs};
use crate::tokenizer::{TokenKinds, Tokenizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// A generator or a discriminator that scores sentences.
pub struct Scorer {
    network: Network,
    tokenizer: Tokenizer,
    kinds: TokenKinds,
    /// Most tokens of a sentence, special ones included.
    longest: usize,
    device: Device,
}

/// What scores.
pub enum Network {
    /// The sum over tokens of `ln p(token | the others)`: the pseudo-log-likelihood (Salazar et al., ACL 2020). With a token
    /// the later pieces of its word are hidden too, since these would give it away (Kauf and Ivanova, ACL 2023).
    Generator(ElectraForMaskedLm),
    /// The sum over tokens of `ln p(the token is original)`, in one pass.
    Discriminator(ElectraForPreTraining),
}

/// The score of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Score {
    /// Natural logarithm of the probability; nearer to 0 is better.
    pub sum: f64,
    /// Tokens that it is a sum over.
    pub tokens: usize,
}

/// Tokens of a pass, padding included.
const PASS_TOKENS: usize = 4096;

/// A row of a pass: its ids with special tokens, and what is asked about them.
struct ScoredRow {
    /// Number of the sentence.
    sentence: usize,
    ids: Vec<u32>,
    /// The place that is asked about, and the token that stood there; all between the special ones where absent.
    asked: Option<(usize, u32)>,
}

impl Scorer {
    /// A scorer of sentences of up to `longest` tokens, special ones included, with `network` on `device`.
    pub fn new(network: Network, tokenizer: Tokenizer, longest: usize, device: Device) -> Self {
        Self { network, kinds: tokenizer.kinds(), tokenizer, longest, device }
    }

    /// What makes tokens of sentences, and the most that one may have, special ones included.
    pub fn tokenizer(&self) -> (&Tokenizer, usize) {
        (&self.tokenizer, self.longest)
    }

    /// `generator` or `discriminator`.
    pub fn name(&self) -> &'static str {
        match self.network {
            Network::Generator(_) => "generator",
            Network::Discriminator(_) => "discriminator",
        }
    }

    /// The scores of `texts`, in their order.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without tokens or longer than the model; the device's.
    pub fn score(&self, texts: &[&str]) -> Result<Vec<Score>> {
        let mut rows = Vec::new();
        let mut scores = Vec::with_capacity(texts.len());
        for (sentence, text) in texts.iter().enumerate() {
            let ids = ids(text, &self.tokenizer, self.longest)?;
            scores.push(Score { sum: 0.0, tokens: ids.len() - 2 });
            match self.network {
                Network::Generator(_) => rows.extend(self.hidden_one_by_one(sentence, &ids)),
                Network::Discriminator(_) => rows.push(ScoredRow { sentence, ids, asked: None }),
            }
        }
        // Alike long ones together, so that little is padded; in an order that does not depend on anything else.
        rows.sort_by_key(|row| row.ids.len());
        let mut rest = rows.as_slice();
        while let Some(longest) = rest.first().map(|row| row.ids.len()) {
            // The rows of a pass are as long as its last one.
            let fits = |count: usize| count * rest[count - 1].ids.len() <= PASS_TOKENS.max(longest);
            let count = (1..=rest.len()).take_while(|&count| fits(count)).last().unwrap_or(1);
            let (pass, after) = rest.split_at(count);
            for (row, value) in pass.iter().zip(self.pass(pass)?) {
                scores[row.sentence].sum += value;
            }
            rest = after;
        }
        Ok(scores)
    }

    /// A row for each token of a sentence, in which it is hidden.
    fn hidden_one_by_one<'a>(&'a self, sentence: usize, ids: &'a [u32]) -> impl Iterator<Item = ScoredRow> + 'a {
        let continues = |id: u32| self.kinds.continues.get(id as usize).copied().unwrap_or(false);
        (1..ids.len() - 1).map(move |at| {
            let later = ids[at + 1..].iter().take_while(|&&id| continues(id)).count();
            let mut hidden = ids.to_vec();
            hidden[at..=at + later].fill(self.kinds.special.mask);
            ScoredRow { sentence, ids: hidden, asked: Some((at, ids[at])) }
        })
    }

    /// The logarithms that `rows` ask for.
    fn pass(&self, rows: &[ScoredRow]) -> Result<Vec<f64>> {
        match &self.network {
            Network::Generator(model) => {
                let (hidden, length) = self.states(&model.electra, rows);
                let [_, _, width] = hidden.dims();
                let place = |(number, row): (usize, &ScoredRow)| {
                    (number * length + row.asked.map_or(0, |asked| asked.0)) as i32
                };
                let places: Vec<i32> = rows.iter().enumerate().map(place).collect();
                let words: Vec<i32> = rows.iter().map(|row| row.asked.map_or(0, |asked| asked.1 as i32)).collect();
                let count = rows.len();
                let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &self.device);
                let words = Tensor::<2, Int>::from_data(TensorData::new(words, [count, 1]), &self.device);
                let hidden = hidden.reshape([count * length, width]).select(0, places).reshape([count, 1, width]);
                let chosen = log_softmax(model.logits(hidden, &StepContext::default()), 1).gather(1, words);
                Ok(read(chosen)?.into_iter().map(f64::from).collect())
            }
            Network::Discriminator(model) => {
                let (hidden, length) = self.states(&model.electra, rows);
                let logits = read(model.logits(hidden, &StepContext::default()))?;
                let original = |logit: &f32| -softplus(f64::from(*logit));
                let of_row =
                    |(row, logits): (&ScoredRow, &[f32])| logits[1..row.ids.len() - 1].iter().map(original).sum();
                Ok(rows.iter().zip(logits.chunks(length)).map(of_row).collect())
            }
        }
    }

    /// The last hidden states of `rows`, padded to the longest, and its length.
    fn states(&self, electra: &Electra, rows: &[ScoredRow]) -> (Tensor<3>, usize) {
        let length = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let shape = [rows.len(), length];
        let pad = self.tokenizer.special().pad;
        let padded =
            |row: &ScoredRow| row.ids.iter().copied().chain(std::iter::repeat(pad)).take(length).collect::<Vec<_>>();
        let ids: Vec<i32> = rows.iter().flat_map(padded).map(|id| id as i32).collect();
        let real =
            |row: &ScoredRow| (0..length).map(|at| if at < row.ids.len() { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
        let is_padded = rows.iter().any(|row| row.ids.len() < length);
        let mask = is_padded.then(|| rows.iter().flat_map(real).collect::<Vec<f32>>());
        let mask = mask.map(|mask| Tensor::from_data(TensorData::new(mask, shape), &self.device));
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), &self.device);
        (electra.forward(Inputs::new(ids, mask), &StepContext::default()), length)
    }
}

/// The ids of a text with special tokens, at most `longest`.
fn ids(text: &str, tokenizer: &Tokenizer, longest: usize) -> Result<Vec<u32>> {
    let (pieces, special) = (tokenizer.encode(text)?, tokenizer.special());
    let (found, most) = (pieces.len(), longest.saturating_sub(2).max(1));
    if found > most {
        return Err(Error::Usage(format!("the text has {found} tokens; the model takes at most {most}")));
    }
    if pieces.is_empty() {
        return Err(Error::Usage(format!("{text:?} has no tokens; there is nothing to score")));
    }
    let words = pieces.iter().map(|piece| piece.id);
    Ok(std::iter::once(special.cls).chain(words).chain([special.sep]).collect())
}

/// `ln(1 + e^x)`, without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(Error::backend)?;
    Ok(data.iter::<f32>().collect())
}

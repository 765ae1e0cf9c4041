//! A trained pair that says what comes next.

use super::super::order::batches_by_length;
use super::super::read::{ItemSession, Loaded};
use super::super::task::{Cell, Metrics, ResultTable};
use super::data::{SPECIAL, check_shared};
use super::ranked::Ranked;
use crate::config::Precision;
use crate::error::{Error, Result};
use crate::hub::{self, Network};
use crate::kernels::StepContext;
use crate::metrics::NextItems;
use crate::model::{ElectraForMaskedLm, ElectraForPreTraining, ElectraPair, Inputs};
use crate::tokenizer::Tokenizer;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Sessions that the generator reads in one pass, and sequences that the discriminator does.
const BATCH: (usize, usize) = (64, 256);

/// The file beside the networks that says how they are used.
const SETTINGS: &str = "recommendation.json";

/// How the networks of a pair are used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Longest sequence, with `[CLS]`, `[MASK]` and `[SEP]`.
    pub max_length: usize,
    /// How many of the generator's likeliest items the discriminator reranks.
    pub candidates: usize,
    /// How often the last item of a sequence was picked in training.
    pub picked: f64,
}

/// A pair with what is needed to feed it.
pub struct Recommender {
    tokenizer: Tokenizer,
    generator: ElectraForMaskedLm,
    discriminator: ElectraForPreTraining,
    settings: Settings,
    device: Device,
}

/// An item that may come next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// Its id.
    pub item: String,
    /// Its probability; those of all items add up to 1.
    pub probability: f64,
}

impl Recommender {
    pub(super) fn new(tokenizer: Tokenizer, pair: &ElectraPair, settings: Settings, device: &Device) -> Self {
        let (generator, discriminator) = (pair.masked_lm(), pair.pretraining());
        Self { tokenizer, generator, discriminator, settings, device: device.clone() }
    }

    /// Whether `directory` holds one.
    pub fn is_at(directory: &Path) -> bool {
        directory.join(SETTINGS).is_file()
    }

    /// Checks that nothing but the widest format of the device is asked for.
    ///
    /// # Errors
    /// [`Error::Usage`] where another is.
    pub fn check_precision(precision: Precision) -> Result<()> {
        if precision == Precision::Auto {
            return Ok(());
        }
        Err(Error::Usage(format!("products in {precision}: a recommender has the widest format of its device alone")))
    }

    /// Opens a directory that recommendation has written.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that is missing or damaged.
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        let path = directory.join(SETTINGS);
        let text =
            crate::files::read(&path, crate::files::SMALL).map_err(|error| Error::input(&path, error.to_string()))?;
        let settings: Settings =
            serde_json::from_slice(&text).map_err(|error| Error::input(&path, error.to_string()))?;
        let [discriminator, generator] = Network::ALL.map(|network| directory.join(network.name()));
        let (of_generator, of_discriminator) = (hub::read_config(&generator)?, hub::read_config(&discriminator)?);
        let tokenizer = Tokenizer::load(&generator)?;
        Ok(Self {
            generator: hub::open_masked_lm(&generator, &of_generator, &tokenizer, device)?,
            discriminator: hub::open(
                &discriminator,
                &of_discriminator,
                &tokenizer,
                device,
                "ElectraForPreTraining",
                ElectraForPreTraining::new,
            )?,
            tokenizer,
            settings,
            device: device.clone(),
        })
    }

    /// Writes how the networks are used; they themselves are written by [`hub::export`].
    pub(super) fn save_settings(&self, directory: &Path) -> Result<()> {
        let path = directory.join(SETTINGS);
        let text = serde_json::to_string_pretty(&self.settings).map_err(Error::internal)?;
        std::fs::write(&path, format!("{text}\n")).map_err(Error::io(&path))
    }

    /// Number of items.
    fn items(&self) -> usize {
        self.tokenizer.vocab_size() - SPECIAL
    }

    /// The number of an item: its rank by frequency in the training data, from 0.
    fn number(&self, item: &str) -> Option<usize> {
        (self.tokenizer.id(item)? as usize).checked_sub(SPECIAL)
    }

    /// The `top_k` likeliest items after each of `sessions`, likeliest first. Items that are in the session already are
    /// among them; items that the model does not know are left out of what it reads.
    ///
    /// # Errors
    /// The device's.
    pub fn suggest(&self, sessions: &[Vec<String>], top_k: usize) -> Result<Vec<Vec<Suggestion>>> {
        let sessions: Vec<&[String]> = sessions.iter().map(Vec::as_slice).collect();
        self.rank(&sessions, |_, ranked| {
            let suggestion = |(number, probability): (usize, f64)| Suggestion {
                item: self.tokenizer.token((number + SPECIAL) as u32).unwrap_or_default(),
                probability,
            };
            ranked.top(top_k).into_iter().map(suggestion).collect()
        })
    }

    /// How the last item of each session ranks after those before it. One that the training data do not have is a miss.
    ///
    /// # Errors
    /// [`Error::Input`] where all are misses; the device's.
    pub fn evaluate(&self, sessions: &Loaded<ItemSession>) -> Result<(Metrics, Vec<ResultTable>)> {
        check_shared(&self.tokenizer, sessions)?;
        let parts: Vec<(&String, &[String])> =
            sessions.rows.iter().filter_map(|session| session.items.split_last()).collect();
        let before: Vec<&[String]> = parts.iter().map(|(_, before)| *before).collect();
        let next: Vec<Option<usize>> = parts.iter().map(|(next, _)| self.number(next)).collect();
        let ranks = NextItems(self.rank(&before, |session, ranked| Some(ranked.rank(next[session]?)))?);
        let unseen = before.iter().flat_map(|items| items.iter()).filter(|item| self.number(item).is_none()).count();
        let cells = [parts.len(), self.items(), ranks.misses(), unseen];
        let table = ResultTable {
            title: "sessions".into(),
            columns: ["sessions", "items to rank", "next items unseen in training", "unseen items before them"]
                .map(str::to_owned)
                .into(),
            rows: vec![cells.map(Cell::Count).into()],
        };
        Ok((metrics(&ranks), vec![table]))
    }

    /// Lets the discriminator rerank the generator's candidates only where that is better on `sessions`, as it is while
    /// the generator has learned little, and by more than a hundredth, since it takes a pass for every candidate. The NDCG
    /// of both ways.
    pub(super) fn choose(&mut self, sessions: &Loaded<ItemSession>) -> Result<[f64; 2]> {
        let candidates = self.settings.candidates;
        let mut ndcg = |candidates: usize| -> Result<f64> {
            self.settings.candidates = candidates;
            Ok(self.evaluate(sessions)?.0.get("ndcg@10").copied().unwrap_or(0.0))
        };
        let (refined, alone) = (ndcg(candidates)?, ndcg(0)?);
        if refined > 1.01 * alone {
            self.settings.candidates = candidates;
        }
        Ok([alone, refined])
    }

    /// The metrics of the most frequent items of the training data, the same for all sessions.
    pub(super) fn popularity(&self, sessions: &Loaded<ItemSession>) -> Metrics {
        let rank = |session: &ItemSession| Some(self.number(session.items.last()?)? + 1);
        metrics(&NextItems(sessions.rows.iter().map(rank).collect()))
    }

    /// Ranks all items after each of `sessions` and hands the ranking, with the session's number, to `each`.
    fn rank<T>(&self, sessions: &[&[String]], each: impl Fn(usize, &Ranked) -> T) -> Result<Vec<T>> {
        let special = self.tokenizer.special();
        let width = self.settings.max_length.saturating_sub(3);
        let row = |session: &&[String]| -> Vec<i32> {
            let known: Vec<u32> = session
                .iter()
                .filter(|item| self.number(item).is_some())
                .filter_map(|i| self.tokenizer.id(i))
                .collect();
            let read = &known[known.len().saturating_sub(width)..];
            let all = [special.cls].into_iter().chain(read.iter().copied()).chain([special.mask, special.sep]);
            all.map(|id| id as i32).collect()
        };
        let rows: Vec<Vec<i32>> = sessions.iter().map(row).collect();
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let mut results: Vec<Option<T>> = rows.iter().map(|_| None).collect();
        for numbers in batches_by_length(&lengths, BATCH.0) {
            let batch: Vec<&[i32]> = numbers.iter().map(|&number| rows[number].as_slice()).collect();
            for (&number, ranked) in numbers.iter().zip(self.rank_batch(&batch)?) {
                results[number] = Some(each(number, &ranked));
            }
        }
        Ok(results.into_iter().flatten().collect())
    }

    /// Ranks all items at the `[MASK]` of `rows`, which stands before their last token.
    fn rank_batch(&self, rows: &[&[i32]]) -> Result<Vec<Ranked>> {
        let (inputs, places) = self.inputs(rows);
        let [batch, seq] = inputs.input_ids.dims();
        let context = StepContext::default();
        let hidden = self.generator.electra.forward(inputs, &context);
        let width = hidden.dims()[2];
        let at_masks = hidden.reshape([batch * seq, width]).select(0, places);
        let words = self.generator.electra.embeddings.word_table();
        let q = read(softmax(self.generator.generator_predictions.forward(at_masks, words, &context), 1))?;
        let mut ranked: Vec<Ranked> =
            q.chunks(q.len() / batch).map(|q| Ranked::new(&q[SPECIAL..SPECIAL + self.items()])).collect();

        // Each candidate at each mask.
        let candidates: Vec<Vec<usize>> =
            ranked.iter().map(|ranked| ranked.likeliest(self.settings.candidates)).collect();
        let filled: Vec<Vec<i32>> = rows
            .iter()
            .zip(&candidates)
            .flat_map(|(row, candidates)| candidates.iter().map(|&candidate| fill(row, candidate)))
            .collect();
        let filled: Vec<&[i32]> = filled.iter().map(Vec::as_slice).collect();
        let mut logits = Vec::with_capacity(filled.len());
        for rows in filled.chunks(BATCH.1) {
            let (inputs, places) = self.inputs(rows);
            let scores = self.discriminator.logits(self.discriminator.electra.forward(inputs, &context), &context);
            let positions = scores.shape().num_elements();
            logits.extend(read(scores.reshape([positions]).select(0, places))?);
        }
        let mut logits = logits.into_iter();
        for (ranked, candidates) in ranked.iter_mut().zip(candidates) {
            ranked.refine(&candidates, logits.by_ref(), self.settings.picked);
        }
        Ok(ranked)
    }

    /// `rows` padded to the longest, and the place of the token before the last of each as `row * seq + position`.
    fn inputs(&self, rows: &[&[i32]]) -> (Inputs, Tensor<1, Int>) {
        let seq = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let pad = self.tokenizer.special().pad as i32;
        let ids = rows.iter().flat_map(|row| (0..seq).map(|at| row.get(at).copied().unwrap_or(pad)));
        let ids = TensorData::new(ids.collect::<Vec<i32>>(), [rows.len(), seq]);
        let mask = rows.iter().any(|row| row.len() < seq).then(|| {
            let mask = rows.iter().flat_map(|row| (0..seq).map(|at| f32::from(u8::from(at < row.len()))));
            Tensor::from_data(TensorData::new(mask.collect::<Vec<f32>>(), [rows.len(), seq]), &self.device)
        });
        let places = rows.iter().enumerate().map(|(number, row)| (number * seq + row.len() - 2) as i32);
        let places = TensorData::new(places.collect::<Vec<i32>>(), [rows.len()]);
        (Inputs::new(Tensor::from_data(ids, &self.device), mask), Tensor::from_data(places, &self.device))
    }
}

/// `row` with item `number` in the place before its last token.
fn fill(row: &[i32], number: usize) -> Vec<i32> {
    let mut row = row.to_vec();
    let place = row.len() - 2;
    row[place] = (number + SPECIAL) as i32;
    row
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(Error::backend)?;
    Ok(data.iter().collect())
}

fn metrics(ranks: &NextItems) -> Metrics {
    let figures = [
        ("hit_rate@1", ranks.hit_rate(1)),
        ("hit_rate@10", ranks.hit_rate(10)),
        ("mrr", ranks.mrr()),
        ("ndcg@10", ranks.ndcg(10)),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into()
}

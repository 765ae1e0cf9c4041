//! A held-out text with the generator's replacements and the discriminator's verdicts, for people: `samples.jsonl`. It
//! takes nothing from the random numbers of training.

use super::step::Pretrainer;
use crate::config::Config;
use crate::data::{HostBatch, HostRows, ValidLoader};
use crate::device::computes_on_host;
use crate::error::{Error, Result};
use crate::objective::Judged;
use crate::tokenizer::Tokenizer;
use burn::tensor::Device;
use electra_runs::layout::SAMPLES;
use electra_runs::{Sample, SampleToken};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Held-out sequences that take turns.
const SEQUENCES: usize = 4;

/// Most tokens of a sample.
const TOKENS: usize = 64;

/// Makes a sample of a model after a number of steps.
pub(crate) type MakeSample<M> = Box<dyn Fn(&M, usize) -> Result<Sample> + Send + Sync>;

/// Samples of a pretraining run with `config`, from the first sequences that `valid` has; none where the objective has no
/// discriminator.
pub(super) fn sampler(
    config: &Config,
    tokenizer: &Tokenizer,
    valid: &ValidLoader,
    device: &Device,
) -> Option<MakeSample<Pretrainer>> {
    if config.objective.kind.predicts_words() {
        return None;
    }
    let (batch, tokenizer, device) = (valid.first(), tokenizer.clone(), device.clone());
    let (rows, every) = (SEQUENCES.min(batch.rows()).max(1), config.training.validate_every);
    Some(Box::new(move |model, step| {
        let row = step.div_ceil(every) % rows;
        // A GPU compiles and tunes for every shape, and knows that of the whole batch.
        let (part, row) = match computes_on_host(&device) {
            true => (batch.of_rows(row..row + 1), 0),
            false => (batch.clone(), row),
        };
        let judged = model.judge(&part, &device)?;
        Ok(Sample { step, tokens: tokens(&part, row, &judged, &tokenizer) })
    }))
}

/// Row `row` of `batch`, as it was judged.
fn tokens(batch: &HostBatch, row: usize, judged: &Judged, tokenizer: &Tokenizer) -> Vec<SampleToken> {
    let (seq, special) = (batch.shape[1], tokenizer.special());
    let name = |id: u32| tokenizer.token(id).unwrap_or_default();
    let is_text = |at: &usize| {
        let id = batch.input_ids[*at] as u32;
        ![special.pad, special.cls, special.sep].contains(&id)
    };
    let token = |at: usize| {
        let (original, seen) = (batch.input_ids[at] as u32, judged.seen[at]);
        let probability = (judged.replaced[at] * 1e4).round() / 1e4;
        let original = (seen != original).then(|| name(original));
        SampleToken { token: name(seen), original, probability: Some(probability) }
    };
    (row * seq..(row + 1) * seq).filter(is_text).take(TOKENS).map(token).collect()
}

/// Makes samples and keeps them.
pub(super) struct SampleLog<M> {
    path: PathBuf,
    file: File,
    make: MakeSample<M>,
}

impl<M> SampleLog<M> {
    /// A log at the end of the file in the run directory `output`.
    pub(super) fn create(output: &Path, make: MakeSample<M>) -> Result<Self> {
        let path = output.join(SAMPLES);
        let file = File::options().append(true).create(true).open(&path).map_err(Error::io(&path))?;
        Ok(Self { path, file, make })
    }

    /// Makes a sample of `model` after `step` steps and writes it down.
    pub(super) fn add(&self, model: &M, step: usize) -> Result<Sample> {
        let sample = (self.make)(model, step)?;
        let line = serde_json::to_string(&sample).map_err(Error::internal)?;
        // One write a line, so that a reader never sees half of one.
        (&self.file).write_all(format!("{line}\n").as_bytes()).map_err(Error::io(&self.path))?;
        Ok(sample)
    }
}

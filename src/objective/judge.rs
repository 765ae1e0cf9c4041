//! A batch as the discriminator sees it, with its verdict on every token: for people to read.

use super::{Tally, forward};
use crate::config::ObjectiveConfig;
use crate::data::{HostBatch, HostRows};
use crate::error::{Error, Result};
use crate::kernels::StepContext;
use crate::model::ElectraPair;
use burn::tensor::Device;

/// What both networks make of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The ids that the discriminator saw, `[batch * seq]`.
    pub seen: Vec<u32>,
    /// Its probability that a token was replaced, `[batch * seq]`.
    pub replaced: Vec<f64>,
    /// The losses and scores that training would see.
    pub tally: Tally,
}

/// Corrupts `batch` with the generator of `pair` and asks its discriminator, on `device`.
///
/// # Errors
/// The device's.
pub fn judge(
    pair: &ElectraPair,
    batch: &HostBatch,
    device: &Device,
    config: &ObjectiveConfig,
    context: &StepContext,
) -> Result<Judged> {
    let failed = |error: &dyn std::fmt::Display| Error::backend(format!("reading the scores: {error}"));
    let outcome = forward(pair, &batch.to_device(device), batch.counts, config, context);
    let ids = outcome.corrupted_ids.try_into_data().map_err(|error| failed(&error))?;
    let (scores, tally) = outcome.statistics.read_scores().map_err(|error| failed(&error))?;
    Ok(Judged {
        seen: ids.iter::<i64>().map(|id| id as u32).collect(),
        replaced: scores.into_iter().map(|score| 1.0 / (1.0 + f64::from(-score).exp())).collect(),
        tally,
    })
}

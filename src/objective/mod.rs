//! Replaced token detection: corruption by the generator, both losses, and the statistics of a step.
//!
//! Paper, section 3; where it leaves a choice, `run_pretraining.py` of the reference. The objectives that the paper
//! compares with it are in `ablations`.

mod ablations;
mod judge;
mod tally;

pub use judge::{Judged, judge};
pub use tally::{Statistics, Tally, entropy};

use crate::config::{ObjectiveConfig, ObjectiveKind};
use crate::data::{Batch, Counts, SumOrder};
use crate::kernels::{MaskedLm, StepContext, lookup};
use crate::model::{ElectraPair, Inputs};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

/// What a forward pass through both networks gives.
#[derive(Debug)]
pub struct Outcome {
    /// `generator_weight * MLM + discriminator_weight * discriminator`, each averaged over the step's counts, `[1]`.
    pub loss: Tensor<1>,
    /// What the metrics are made of.
    pub statistics: Statistics,
    /// The discriminator's input: the original ids with the generator's samples at the picked positions, `[batch, seq]`.
    pub corrupted_ids: Tensor<2, Int>,
}

/// Runs both networks on `batch`. The losses are divided by `counts`, those of the whole step, so that the gradients of
/// several batches add up to those of one large batch.
pub fn forward(
    pair: &ElectraPair,
    batch: &Batch,
    counts: Counts,
    config: &ObjectiveConfig,
    context: &StepContext,
) -> Outcome {
    forward_by_parts(pair, batch, counts, config, context, &mut |_| ())
}

/// A part of a step, for those who time it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepPart {
    /// The generator, its loss and its samples.
    Generator,
    /// The corrupted input, the discriminator and its loss.
    Discriminator,
    /// The gradients of both.
    Backward,
}

/// [`forward`], which calls `done` after each of its parts.
pub fn forward_by_parts(
    pair: &ElectraPair,
    batch: &Batch,
    counts: Counts,
    config: &ObjectiveConfig,
    context: &StepContext,
    done: &mut dyn FnMut(StepPart),
) -> Outcome {
    if let Some(head) = &pair.encoder_head {
        return ablations::forward((pair, head), batch, counts, config, context, done);
    }
    let [rows, seq] = batch.input_ids.dims();
    let Corruption { mlm_loss, correct, corrupted_ids, replaced } = corrupt(pair, batch, config, context);
    done(StepPart::Generator);
    let order = batch.orders.as_ref().map(|_| order_of(&corrupted_ids));

    // Discriminator: sigmoid cross-entropy over all real tokens, or over the picked ones.
    let scores = pair.discriminate(inputs(batch, &corrupted_ids, order), context).reshape([rows * seq]);
    let losses = binary_cross_entropy(scores.clone(), replaced.clone());
    let (disc_loss, over, judged) = match (config.kind, &batch.attention_mask) {
        (ObjectiveKind::Electra15, _) => {
            let losses = at_picked(losses.unsqueeze_dim(1), batch).squeeze_dim(1);
            (losses, counts.picked, Some(batch.is_picked.clone()))
        }
        (_, Some(mask)) => (losses * mask.clone().reshape([rows * seq]), counts.tokens, batch.real.clone()),
        (_, None) => (losses, counts.tokens, None),
    };
    let disc_loss = disc_loss.sum();

    let statistics = Statistics::new(
        [mlm_loss.clone().inner(), correct, disc_loss.clone().inner(), scores.inner(), replaced],
        batch,
        judged,
    );
    let mlm_weight = config.generator_weight / counts.picked.max(1) as f64;
    let disc_weight = config.discriminator_weight / over.max(1) as f64;
    done(StepPart::Discriminator);
    Outcome { loss: mlm_loss * mlm_weight + disc_loss * disc_weight, statistics, corrupted_ids }
}

/// What a network reads of `batch` with ids `ids`, whose gradients are added in `order`, if any.
fn inputs(batch: &Batch, ids: &Tensor<2, Int>, order: Option<SumOrder>) -> Inputs {
    let inputs = Inputs::new(ids.clone(), batch.attention_mask.clone());
    Inputs { token_type_ids: batch.token_type_ids.clone(), order, ..inputs }
}

/// The order of ids that the device knows alone, which are read for it: the host waits for the generator.
fn order_of(ids: &Tensor<2, Int>) -> SumOrder {
    let data = ids.to_data();
    let numbers: Vec<usize> = data.iter::<i64>().map(|id| id as usize).collect();
    SumOrder::new(numbers.into_iter(), &ids.device())
}

/// The rows of `x` `[batch * seq, width]` at the picked positions, `[picked, width]`.
fn at_picked(x: Tensor<2>, batch: &Batch) -> Tensor<2> {
    lookup(x, batch.picked.clone(), batch.orders.as_ref().map(|orders| &orders.picked))
}

/// What the generator makes of a batch.
struct Corruption {
    /// Sum of its loss at the picked positions, `[1]`.
    mlm_loss: Tensor<1>,
    /// Likeliest words that are right, `[1]`.
    correct: Tensor<1>,
    /// `[batch, seq]`
    corrupted_ids: Tensor<2, Int>,
    /// 1 where a token is not the original, `[batch * seq]`: a sample that hits it counts as original.
    replaced: Tensor<1>,
}

/// Cross-entropy at the picked positions, and samples that replace every one of them; no gradient flows through these.
fn corrupt(pair: &ElectraPair, batch: &Batch, config: &ObjectiveConfig, context: &StepContext) -> Corruption {
    let [rows, seq] = batch.input_ids.dims();
    let original = batch.input_ids.clone().reshape([rows * seq]);
    let targets = original.clone().select(0, batch.picked.clone());
    let orders = batch.orders.clone();
    let (masked_order, picked_order) = orders.map(|orders| (orders.masked_ids, orders.picked)).unzip();
    let MaskedLm { loss: mlm_loss, samples, correct } = pair.generate(
        inputs(batch, &batch.masked_ids, masked_order),
        (batch.picked.clone(), picked_order.as_ref()),
        targets.clone(),
        &batch.samples,
        config,
        context,
    );
    let change = samples - targets;
    // Whole numbers, each place once: the sum is the same in any order.
    let corrupted = original.clone().scatter(0, batch.picked.clone(), change, IndexingUpdateOp::Add);
    let replaced = corrupted.clone().not_equal(original).float();
    Corruption { mlm_loss, correct, corrupted_ids: corrupted.reshape([rows, seq]), replaced }
}

/// `max(x, 0) - x y + ln(1 + e^-|x|)`: sigmoid cross-entropy of logits `x` and labels `y` in 0 and 1, without overflow.
fn binary_cross_entropy(logits: Tensor<1>, labels: Tensor<1>) -> Tensor<1> {
    logits.clone().clamp_min(0.0) - logits.clone() * labels + logits.abs().neg().exp().log1p()
}

//! The objectives that the paper compares with its own (section 3.4): what predicts words instead of detecting
//! replacements. The encoder that one keeps is the discriminator's in all of them, so that they compare at equal size.

use super::{Corruption, Outcome, Statistics, StepPart, at_picked, corrupt, inputs, order_of};
use crate::config::{ObjectiveConfig, ObjectiveKind};
use crate::data::{Batch, Counts};
use crate::kernels::{MaskedLm, StepContext};
use crate::model::{ElectraPair, GeneratorHead};
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::{Int, Tensor};

/// Runs the encoder with its head for words, `head`, and before it the generator where the objective has one.
pub(super) fn forward(
    (pair, head): (&ElectraPair, &GeneratorHead),
    batch: &Batch,
    counts: Counts,
    config: &ObjectiveConfig,
    context: &StepContext,
    done: &mut dyn FnMut(StepPart),
) -> Outcome {
    let [rows, seq] = batch.input_ids.dims();
    let targets = batch.input_ids.clone().reshape([rows * seq]).select(0, batch.picked.clone());
    let corruption = match config.kind {
        ObjectiveKind::Mlm => None,
        _ => Some(corrupt(pair, batch, config, context)),
    };
    done(StepPart::Generator);
    let input_ids = match &corruption {
        Some(corruption) => corruption.corrupted_ids.clone(),
        None => batch.masked_ids.clone(),
    };
    let order = match (&batch.orders, &corruption) {
        (Some(orders), None) => Some(orders.masked_ids.clone()),
        (orders, _) => orders.as_ref().map(|_| order_of(&input_ids)),
    };
    let hidden = pair.encode(inputs(batch, &input_ids, order), context);
    let [_, _, width] = hidden.dims();
    let words = pair.embeddings.word_table();
    let predicted = match config.kind {
        ObjectiveKind::AllTokensMlm => all_tokens((pair, head), hidden, words, batch, &input_ids, context),
        _ => {
            let picked = at_picked(hidden.reshape([rows * seq, width]), batch);
            let MaskedLm { loss, correct, .. } = head.predict(picked, words, targets, &batch.samples, config, context);
            Predicted { loss: loss.clone(), at_picked: loss, correct }
        }
    };
    let device = predicted.loss.device().inner();
    let nothing = |size: usize| Tensor::<1>::zeros([size], &device);
    let statistics = Statistics::new(
        [predicted.at_picked.inner(), predicted.correct, nothing(1), nothing(rows * seq), nothing(rows * seq)],
        batch,
        batch.real.clone(),
    );
    let mean_over = if config.kind == ObjectiveKind::AllTokensMlm { counts.tokens } else { counts.picked };
    let loss = predicted.loss / mean_over.max(1) as f64;
    let loss = match corruption {
        Some(Corruption { mlm_loss, .. }) => loss + mlm_loss * (config.generator_weight / counts.picked.max(1) as f64),
        None => loss,
    };
    done(StepPart::Discriminator);
    Outcome { loss, statistics, corrupted_ids: input_ids }
}

/// What the encoder says about words.
struct Predicted {
    /// Sum of the objective's loss, `[1]`.
    loss: Tensor<1>,
    /// Sum of the cross-entropies at the picked positions, `[1]`: what all of these objectives share.
    at_picked: Tensor<1>,
    /// Likeliest words that are right, `[1]`, without autodiff.
    correct: Tensor<1>,
}

/// Predicts every real token by a mixture: with probability `D` a copy of the input, else a word. `D` comes from the
/// discriminator's head.
fn all_tokens(
    (pair, head): (&ElectraPair, &GeneratorHead),
    hidden: Tensor<3>,
    words: Tensor<2>,
    batch: &Batch,
    input_ids: &Tensor<2, Int>,
    context: &StepContext,
) -> Predicted {
    let [rows, seq, width] = hidden.dims();
    let tokens = rows * seq;
    let original = batch.input_ids.clone().reshape([tokens]);
    let replaced_logits = pair.discriminator_head.forward(hidden.clone(), context).reshape([tokens]);
    let log_words = log_softmax(head.forward(hidden.reshape([tokens, width]), words, context), 1);
    let log_word = log_words.clone().gather(1, original.clone().unsqueeze_dim::<2>(1)).squeeze_dim::<1>(1);
    // ln(1 - D) and ln D, where the discriminator's logit is that of 1 - D.
    let (log_other, log_copy) = (log_sigmoid(replaced_logits.clone()), log_sigmoid(replaced_logits.neg()));
    let by_word = log_other + log_word.clone();
    // ln(e^a + e^b) for a copy that is right, without overflow.
    let (most, apart) = (by_word.clone().max_pair(log_copy.clone()), (by_word.clone() - log_copy).abs());
    let either = most + apart.neg().exp().log1p();
    let is_original = input_ids.clone().reshape([tokens]).equal(original.clone()).float();
    let log_probability = either * is_original.clone() + by_word * (is_original - 1.0).neg();
    let log_probability = match &batch.attention_mask {
        Some(mask) => log_probability * mask.clone().reshape([tokens]),
        None => log_probability,
    };
    let likeliest = log_words.inner().argmax(1).squeeze_dim::<1>(1);
    let hits = likeliest.select(0, batch.picked.clone()).equal(original.select(0, batch.picked.clone())).float();
    Predicted {
        loss: log_probability.sum().neg(),
        at_picked: log_word.detach().select(0, batch.picked.clone()).sum().neg(),
        correct: hits.sum(),
    }
}

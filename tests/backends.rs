//! The same numbers on every backend.

mod common;

use burn::tensor::{Device, Int, Tensor};
use common::backends::Backend;
use common::{device, random_batch, small_config};
use electra_burn::model::{ElectraPair, Inputs, Padding};
use electra_burn::objective::forward;

on_every_backend!(a_forward_pass_agrees_with_flex);

/// Logits of both networks and the loss on `device`, from the same seed and the same batch.
fn forward_pass(device: &Device) -> (Vec<f32>, Vec<i64>) {
    let mut config = small_config();
    // Large weights, so that the softmaxes and GELUs are not in their linear range.
    config.model.initializer_range = 0.3;
    let pair = ElectraPair::new(&config, device);
    let host = random_batch(4, 12, true);
    let batch = host.to_device(device);
    // Everything is compared, what is computed at padding too.
    let inputs = |ids: &Tensor<2, Int>| Inputs {
        padding: Padding::Compute,
        ..Inputs::new(ids.clone(), batch.attention_mask.clone())
    };
    let generator = pair.masked_lm();
    let logits = generator.logits(generator.electra.forward(inputs(&batch.masked_ids)));
    let outcome = forward(&pair, &batch, host.counts, &config.objective);
    let scores = pair.discriminate(inputs(&outcome.corrupted_ids));
    let floats = [logits.into_data(), scores.into_data(), outcome.loss.into_data()];
    (floats.iter().flat_map(|data| data.iter::<f32>()).collect(), outcome.corrupted_ids.into_data().iter().collect())
}

fn a_forward_pass_agrees_with_flex(backend: &Backend) {
    let (found, corrupted) = forward_pass(&backend.device);
    let (expected, corrupted_on_flex) = forward_pass(&device("flex"));
    assert_eq!(corrupted, corrupted_on_flex, "the same uniform numbers give the same samples");
    assert_eq!(found.len(), expected.len());
    for (at, (f, e)) in found.iter().zip(&expected).enumerate() {
        // Relative above 1: the loss is near 40, where single precision has steps of 4e-6.
        assert!((f - e).abs() <= backend.tolerance.outputs * e.abs().max(1.0), "[{at}]: {f}, flex has {e}");
    }
}

//! Parameter counts of the presets against the paper and the reference.

use crate::common::backends::CPU;

use burn::module::Module;
use electra_burn::config::{Source, load};
use electra_burn::model::{Embeddings, Encoder, Init};

/// Parameters of the embeddings and the discriminator's encoder of a preset, without heads.
fn encoder_parameters(preset: &str) -> usize {
    let config = load(&Source { preset: Some(preset.into()), ..Source::default() }).unwrap().model;
    let device = crate::common::device(CPU);
    let mut init = Init::new(0, config.initializer_range, config.layer_norm_eps, &device);
    Embeddings::new(&config, &mut init).num_params() + Encoder::new(&config, &mut init).num_params()
}

/// The exact figures are those of the released checkpoints; the paper's table rounds them to 14M, 110M and 335M.
#[test]
fn small_has_the_papers_size() {
    assert_eq!(encoder_parameters("small"), 13_483_008);
}

#[test]
fn base_has_the_papers_size() {
    assert_eq!(encoder_parameters("base"), 108_891_648);
}

#[test]
fn large_has_the_papers_size() {
    assert_eq!(encoder_parameters("large"), 334_092_288);
}

/// The embeddings are held once: the pair has one word table, not two and not three.
#[test]
fn the_pair_holds_the_embeddings_once() {
    let config = crate::common::small_config();
    let device = crate::common::device(CPU);
    let pair = electra_burn::model::ElectraPair::new(&config, &device);
    let parts = pair.embeddings.num_params()
        + pair.generator.num_params()
        + pair.generator_head.num_params()
        + pair.discriminator.num_params()
        + pair.discriminator_head.num_params();
    assert_eq!(pair.num_params(), parts);
    assert_eq!(pair.embeddings.num_params(), (40 + 16 + 2) * 8 + 2 * 8);
    // dense 8 x 8 + 8, LayerNorm 2 x 8, bias 40: no output table of its own.
    assert_eq!(pair.generator_head.num_params(), 72 + 16 + 40);
}

#[test]
fn weights_are_truncated_normal_and_biases_zero() {
    let config = crate::common::small_config();
    let pair = electra_burn::model::ElectraPair::new(&config, &crate::common::device(CPU));
    let values: Vec<f32> = pair.discriminator.layers[0].intermediate.weight.val().into_data().iter().collect();
    assert!(values.iter().all(|w| w.abs() <= 0.04), "cut at two deviations of 0.02");
    let deviation = (values.iter().map(|w| w * w).sum::<f32>() / values.len() as f32).sqrt();
    assert!((deviation - 0.0176).abs() < 0.0015, "{deviation}, expected 0.02 x 0.88");
    let bias: Vec<f32> =
        pair.discriminator.layers[0].intermediate.bias.as_ref().unwrap().val().into_data().iter().collect();
    assert!(bias.iter().all(|&b| b == 0.0));
}

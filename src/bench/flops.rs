//! What a step has to compute.

use crate::config::{Config, ModelConfig};
use crate::data::Counts;

/// Floating-point operations in the matrix products of a step, two for a multiplication with its addition; the way back
/// counts twice. Element-wise work is not counted, and neither is padding.
///
/// A token costs an encoder `layers (8 h^2 + 4 h f + 4 s h) + 2 e h` forwards, with hidden size `h`, intermediate size
/// `f`, embedding size `e` and sequences of mean length `s`; the head of the discriminator adds `2 h^2 + 2 h`, that of
/// the generator `2 h e + 2 e v` at picked positions, with `v` words.
pub fn step_flops(config: &Config, counts: Counts) -> f64 {
    let model = &config.model;
    let generator = config.generator_model();
    let [hidden, embedding, words] = [model.hidden_size, model.embedding_size, model.vocab_size].map(|n| n as f64);
    let sequences = (config.data.batch_size * config.training.accumulation) as f64;
    let length = counts.tokens as f64 / sequences;
    let head = 2.0 * hidden * hidden + 2.0 * hidden;
    let token = encoder(model, length) + head + encoder(&generator, length);
    let picked = 2.0 * generator.hidden_size as f64 * embedding + 2.0 * embedding * words;
    3.0 * (counts.tokens as f64 * token + counts.picked as f64 * picked)
}

fn encoder(model: &ModelConfig, length: f64) -> f64 {
    let [h, f, e] = [model.hidden_size, model.intermediate_size, model.embedding_size].map(|n| n as f64);
    let layer = 8.0 * h * h + 4.0 * h * f + 4.0 * length * h;
    let project = if model.embedding_size == model.hidden_size { 0.0 } else { 2.0 * e * h };
    model.num_hidden_layers as f64 * layer + project
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};

    /// Held against the reference's count of operations, 143.7 and 27.1 GFLOP.
    #[test]
    fn pairs_cost_what_the_reference_counts() {
        // A quarter as wide a generator, as deep as the discriminator.
        let narrow = [
            "model.vocab_size=8192",
            "generator.hidden_size=32",
            "generator.num_hidden_layers=4",
            "generator.intermediate_size=128",
        ];
        for (preset, batch, expected, set) in [("small", 16, 143.7, &[][..]), ("tiny", 32, 27.1, &narrow[..])] {
            let mut set: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
            set.push(format!("data.batch_size={batch}"));
            let config = load(&Source { preset: Some(preset.into()), set, ..Source::default() }).unwrap();
            let found = step_flops(&config, Counts { picked: batch * 19, tokens: batch * 128 }) / 1e9;
            assert!((found / expected - 1.0).abs() < 2e-3, "{preset}: {found}");
        }
    }
}

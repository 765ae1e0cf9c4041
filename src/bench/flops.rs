//! What a step has to compute.

use crate::config::{Config, ModelConfig, Precision};
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

/// Bytes that a step has to move to and from the memory of a device whose kernels keep everything between two matrix
/// products to themselves: the least that a step takes where memory decides.
///
/// In single precision; in half precision activations and logits take half of it. A token moves `12 h + 2 f` numbers
/// through a layer forwards and twice that on the way back; a picked position its logits five times (written, read and
/// overwritten with their gradient, read by two products); a parameter seven numbers in AdamW and two of its gradient.
pub fn step_bytes(config: &Config, counts: Counts, parameters: usize) -> f64 {
    let half = matches!(config.training.precision, Precision::F16 | Precision::BF16);
    let number = if half { 2.0 } else { 4.0 };
    let layers = |model: &ModelConfig| {
        let [h, f] = [model.hidden_size, model.intermediate_size].map(|n| n as f64);
        model.num_hidden_layers as f64 * 3.0 * (12.0 * h + 2.0 * f)
    };
    let activations = counts.tokens as f64 * (layers(&config.model) + layers(&config.generator_model()));
    let logits = 5.0 * counts.picked as f64 * config.model.vocab_size as f64;
    number * (activations + logits) + 4.0 * 9.0 * parameters as f64
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

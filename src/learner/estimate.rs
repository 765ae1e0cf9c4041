//! What a run will need, worked out from its configuration before anything is allocated or written.

use crate::config::{Config, ModelConfig, ObjectiveKind};
use crate::device::{Adapter, largest_buffer};
use crate::error::{Error, Result};
use crate::kernels::are_fused;

/// What training takes on a device, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Trained numbers.
    pub parameters: usize,
    /// The parameters themselves.
    pub weights: u64,
    /// Their gradients.
    pub gradients: u64,
    /// Both moments of AdamW.
    pub moments: u64,
    /// What the forward pass of a batch keeps for its gradients, and what comes and goes at the vocabulary.
    pub activations: u64,
    /// The largest single tensors by what they are, largest first.
    pub buffers: Vec<(&'static str, u64)>,
}

/// What a device can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Bytes of its memory, where that is known; on the CPU, of the computer.
    pub memory: Option<u64>,
    /// Bytes of its largest buffer, where there is a limit.
    pub largest_buffer: Option<u64>,
    /// Whether its kernels keep what fused kernels keep.
    pub fused: bool,
}

impl Limits {
    /// Those of `adapter`.
    pub fn of(adapter: &Adapter) -> Self {
        Self {
            memory: adapter.memory,
            largest_buffer: largest_buffer(&adapter.device),
            fused: are_fused(&adapter.device),
        }
    }
}

/// Numbers that a layer keeps for its gradient: for each token a multiple of the hidden size and one of the
/// intermediate size, and for each pair of tokens a number for each head. `tests/memory/estimate.rs` holds those of portable kernels against
/// what a device reports.
struct Kept {
    hidden: f64,
    intermediate: f64,
    pairs: f64,
}

impl Kept {
    fn of(config: &Config, fused: bool) -> Self {
        if fused {
            let intermediate = if config.training.gradient_checkpointing { 0.0 } else { 1.0 };
            return Self { hidden: 9.0, intermediate, pairs: 0.0 };
        }
        let drops = |probability: f64, more: f64| if probability > 0.0 { more } else { 0.0 };
        let hidden = |more: f64| drops(config.model.hidden_dropout_prob, more);
        let pairs = |more: f64| drops(config.model.attention_probs_dropout_prob, more);
        if config.training.gradient_checkpointing {
            Self { hidden: 7.0 + hidden(4.0), intermediate: 1.0, pairs: 1.0 + pairs(2.0) }
        } else {
            Self { hidden: 12.0 + hidden(2.0), intermediate: 4.0, pairs: 3.0 + pairs(1.0) }
        }
    }
}

/// Bytes of a number.
const NUMBER: u64 = 4;

/// Tensors of logits that are there at a time, with portable kernels; with fused ones a single one.
const LOGITS: u64 = 4;

impl Estimate {
    /// That of a run with `config` on a device with `limits`, without padding.
    pub fn new(config: &Config, limits: Limits) -> Self {
        let parameters = parameters(config);
        let of_parameters = NUMBER * parameters as u64;
        let (model, generator) = (&config.model, &config.generator_model());
        let [batch, seq] = [config.data.batch_size, config.data.sequence_length].map(|n| n as u64);
        let tokens = batch * seq;
        let kept = Kept::of(config, limits.fused);
        let layers = |model: &ModelConfig| {
            let [h, f, heads] =
                [model.hidden_size, model.intermediate_size, model.num_attention_heads].map(|n| n as f64);
            let layer = kept.hidden * h + kept.intermediate * f + kept.pairs * heads * seq as f64;
            (model.num_hidden_layers as f64 * layer * tokens as f64) as u64
        };
        let [e, vocabulary] = [model.embedding_size, model.vocab_size].map(|n| n as u64);
        let picked = (tokens as f64 * config.data.mask_probability).ceil() as u64;
        let bound = limits.largest_buffer.unwrap_or(u64::MAX).min((config.objective.max_logits_mib as u64) << 20);
        let row = NUMBER * vocabulary;
        let logits = match (config.objective.kind, limits.fused) {
            (ObjectiveKind::AllTokensMlm, _) => tokens * row,
            (_, true) => picked * row,
            (_, false) => (picked * row).min((bound / row).max(1) * row),
        };
        let embeddings = 2 * 6 * tokens * e;
        let logits_at_a_time = if limits.fused { 1 } else { LOGITS };
        let of_layers = layers(model).saturating_add(layers(generator)).saturating_add(embeddings);
        let activations = NUMBER.saturating_mul(of_layers).saturating_add(logits_at_a_time * logits.max(row));

        let [h, f] = [model.hidden_size, model.intermediate_size].map(|n| n as u64);
        let pairs = |model: &ModelConfig| {
            (tokens * NUMBER).saturating_mul(model.num_attention_heads as u64).saturating_mul(seq)
        };
        let mut buffers = vec![
            ("logits over the vocabulary", logits),
            ("feed-forward activations", tokens * f * NUMBER),
            ("hidden states", tokens * h * NUMBER),
            ("words of the vocabulary", vocabulary * e * NUMBER),
            ("feed-forward weights", h * f * NUMBER),
        ];
        if !limits.fused {
            buffers.push(("attention scores", pairs(model).max(pairs(generator))));
        }
        buffers.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        Self {
            parameters,
            weights: of_parameters,
            gradients: of_parameters,
            moments: 2 * of_parameters,
            activations,
            buffers,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        [self.gradients, self.moments, self.activations].into_iter().fold(self.weights, u64::saturating_add)
    }

    /// What of it does not fit into `limits`, if anything.
    fn problem(&self, limits: Limits) -> Option<String> {
        if let (Some((name, bytes)), Some(limit)) = (self.buffers.first(), limits.largest_buffer)
            && *bytes > limit
        {
            return Some(format!("the {name} take {} at once, buffers hold {}", size(*bytes), size(limit)));
        }
        let limit = limits.memory.filter(|memory| self.total() > *memory)?;
        Some(format!("training takes about {}, the device has {}", size(self.total()), size(limit)))
    }
}

/// What one of `devices` devices that share the batches of `config` has to do.
pub fn share(config: &Config, devices: usize) -> Config {
    let mut share = config.clone();
    share.data.batch_size = config.data.batch_size.div_ceil(devices.max(1));
    share
}

/// Checks that a run with `config`, whose batches are shared by `devices` devices, fits into `limits` of the one called `name`.
///
/// # Errors
/// [`Error::Config`] that names what does not fit and the accumulation that would.
pub fn check_fits(config: &Config, name: &str, limits: Limits, devices: usize) -> Result<()> {
    let problem = |config: &Config| Estimate::new(&share(config, devices), limits).problem(limits);
    let Some(found) = problem(config) else { return Ok(()) };
    let batch_size = config.data.batch_size;
    let with = |batch_size: usize| {
        let mut config = config.clone();
        config.data.batch_size = batch_size;
        config
    };
    // What one sequence does not fit for, no batch does.
    if let Some(least) = problem(&with(devices.max(1))) {
        let message =
            format!("with one sequence a device, on {name}, {least}; expected a smaller model, or shorter sequences");
        return Err(Error::config("model", message));
    }
    let sequences = batch_size * config.training.accumulation;
    let fits = |batch: &usize| sequences.is_multiple_of(*batch) && problem(&with(*batch)).is_none();
    let advice = match (1..batch_size).rev().find(fits) {
        Some(batch) => {
            format!("the same step fits with --set data.batch_size={batch} training.accumulation={}", sequences / batch)
        }
        None => "expected a smaller batch".into(),
    };
    Err(Error::config("data.batch_size", format!("{batch_size} on {name}: {found}; {advice}")))
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

/// Trained numbers of the pair.
pub(super) fn parameters(config: &Config) -> usize {
    let (model, generator) = (&config.model, &config.generator_model());
    let (e, h, vocabulary) = (model.embedding_size, model.hidden_size, model.vocab_size);
    let untied = if model.tie_word_embeddings { 0 } else { vocabulary * e };
    let words = |hidden: usize| hidden * e + 3 * e + vocabulary + untied;
    let encoder_head = if config.objective.kind.predicts_words() { words(h) } else { 0 };
    let discriminator_head = h * h + 2 * h + 1;
    let encoders = model.embedding_parameters() + model.layer_parameters() + generator.layer_parameters();
    encoders + words(generator.hidden_size) + discriminator_head + encoder_head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};
    use crate::learner::Pretrainer;
    use burn::module::Module;
    use burn::tensor::Device;

    fn config(preset: &str, set: &[&str]) -> Config {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        load(&Source { preset: Some(preset.into()), set, ..Source::default() }).unwrap()
    }

    #[test]
    fn parameters_are_those_of_the_model() {
        for (preset, set) in [
            ("demo", &[][..]),
            ("tiny", &["model.embedding_size=128"]),
            ("small", &["model.num_hidden_layers=2", "objective.kind=mlm"]),
        ] {
            let config = config(preset, set);
            let model = Pretrainer::new(&config, &Device::flex());
            assert_eq!(parameters(&config), model.num_params(), "{preset}");
        }
    }

    /// The limit of Vulkan: every preset keeps every buffer below it as it is.
    #[test]
    fn every_preset_fits_into_buffers_of_two_gibibytes() {
        let limits = Limits { largest_buffer: Some((1 << 31) - 1), ..Limits::default() };
        let presets =
            [("tiny", 16), ("modern-small", 64), ("modern-base", 128), ("small", 128), ("base", 256), ("large", 2048)];
        for (preset, sequences) in presets {
            let config = config(preset, &[]);
            let estimate = Estimate::new(&config, limits);
            assert!(estimate.buffers.iter().all(|(_, bytes)| *bytes < 1 << 31), "{preset}: {:?}", estimate.buffers);
            assert!(estimate.buffers.iter().any(|(name, _)| *name == "logits over the vocabulary"));
            check_fits(&config, "a device", limits, 1).unwrap();
            assert_eq!(config.data.batch_size * config.training.accumulation, sequences, "{preset}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_accumulation_that_does() {
        let config = config("base", &["data.batch_size=256", "training.accumulation=1"]);
        // 256 sequences, 12 heads, 512 x 512 scores of 4 bytes: 3 GiB.
        let limits = Limits { largest_buffer: Some((1 << 31) - 1), ..Limits::default() };
        let error = check_fits(&config, "vulkan:0", limits, 1).unwrap_err().to_string();
        assert!(error.contains("the attention scores take 3.0 GiB at once, buffers hold 2.0 GiB"), "{error}");
        assert!(error.contains("--set data.batch_size=128 training.accumulation=2"), "{error}");
        let limits = Limits { memory: Some(24 << 30), ..limits };
        let error = check_fits(&config, "vulkan:0", limits, 1).unwrap_err().to_string();
        assert!(error.contains("data.batch_size=8 training.accumulation=32"), "{error}");
        // Two devices have half of the batch each.
        let shared = check_fits(&config, "vulkan:0", limits, 2).unwrap_err().to_string();
        assert!(shared.contains("data.batch_size=16 training.accumulation=16"), "{shared}");
        let limits = Limits { memory: Some(1 << 30), ..limits };
        let error = check_fits(&config, "vulkan:0", limits, 1).unwrap_err().to_string();
        assert!(error.contains("expected a smaller model, or shorter sequences"), "{error}");
    }

    /// Sizes at their bounds make no sum overflow.
    #[test]
    fn the_largest_sizes_are_refused_and_not_computed_wrong() {
        let set = [
            "model.hidden_size=65536",
            "model.num_attention_heads=65536",
            "model.num_hidden_layers=1024",
            "model.intermediate_size=262144",
            "model.vocab_size=16777216",
            "model.embedding_size=65536",
            "model.max_position_embeddings=1048576",
            "data.sequence_length=1048576",
            "data.batch_size=1024",
            "training.accumulation=1048576",
        ];
        let limits = Limits { memory: Some(1 << 40), ..Limits::default() };
        let error = check_fits(&config("small", &set), "a device", limits, 1).unwrap_err().to_string();
        assert!(error.contains("expected a smaller model"), "{error}");
    }

    #[test]
    fn logits_are_as_large_as_they_may_be() {
        let limits = Limits { largest_buffer: Some(128 << 20), ..Limits::default() };
        let logits = |config: &Config, limits| {
            let buffers = Estimate::new(config, limits).buffers;
            buffers.into_iter().find(|(name, _)| *name == "logits over the vocabulary").unwrap().1
        };
        let row = 4 * 30522;
        let small = config("small", &[]);
        assert_eq!(logits(&small, Limits::default()), (16384.0 * 0.15f64).ceil() as u64 * row);
        assert_eq!(logits(&small, limits), (128 << 20) / row * row);
        let bounded = config("small", &["objective.max_logits_mib=1"]);
        assert_eq!(logits(&bounded, limits), (1 << 20) / row * row);
    }
}

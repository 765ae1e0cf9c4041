//! What several test files share; each of them uses a part.

#![allow(dead_code)]

pub mod backends;
pub mod chromium;
pub mod keyword;
pub mod program;
pub mod server;
#[cfg(unix)]
pub mod tmux;
#[cfg(feature = "remote")]
pub mod worker;

use burn::tensor::Device;
use electra_burn::Config;
use electra_burn::config::{ModelConfig, Source, load};
use electra_burn::data::{HostBatch, Masking, Purpose, Rng, Row};

/// A pair small enough for tests: 40 words, two layers.
pub fn small_config() -> Config {
    let set = [
        "model.vocab_size=40",
        "model.embedding_size=8",
        "model.hidden_size=16",
        "model.num_hidden_layers=2",
        "model.num_attention_heads=2",
        "model.intermediate_size=32",
        "model.max_position_embeddings=16",
        "generator.hidden_size=8",
        "generator.num_hidden_layers=2",
        "generator.num_attention_heads=1",
        "generator.intermediate_size=16",
        "data.batch_size=4",
        "data.sequence_length=12",
        "init.positions=random",
        "training.precision=f32",
        "model.initializer_range=0.02",
    ];
    load(&Source { set: set.map(String::from).into(), ..Source::default() }).expect("the test's configuration is right")
}

/// Random rows, some shorter than others if `padded`, masked with half of the tokens picked.
pub fn random_batch(rows: usize, seq: usize, padded: bool) -> HostBatch {
    let row = |index: usize| {
        let mut rng = Rng::new(9, Purpose::Order, 0, index as u64);
        let length = if padded { seq - index % 3 } else { seq };
        let words = (0..length - 2).map(|_| 5 + rng.below(35) as u32);
        std::iter::once(2).chain(words).chain([3]).collect::<Vec<u32>>()
    };
    let rows: Vec<Row> = (0..rows).map(|index| Row::from(row(index))).collect();
    let masking = Masking {
        mask_probability: 0.5,
        replace_probability: 0.85,
        excluded: vec![0, 2, 3, 4],
        unit: Default::default(),
        continues: [].into(),
    };
    HostBatch::new(&rows, &masking, 4, 0, |row| Rng::new(7, Purpose::Mask, 0, row as u64))
}

/// The device `name` stands for.
pub fn device(name: &str) -> Device {
    electra_burn::device::select(name).expect("the device is compiled in").device
}

/// A model without dropout whose weights are so large that its outputs are far from linear.
pub fn small_model() -> ModelConfig {
    let mut model = small_config().model.without_dropout();
    model.initializer_range = 0.3;
    model
}

pub fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

//! `samples.jsonl`: held-out text with the generator's replacements and the discriminator's verdicts.

use crate::common::backends::CPU;
use crate::common::program::{MICRO, directory, json_lines, overridden, read, succeeds};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const SET: [&str; 4] =
    ["training.steps=40", "training.log_every=5", "training.validate_every=5", "training.checkpoint_every=20"];

/// A run on one thread, so that it comes to the same numbers every time.
fn run(at: &Path, arguments: &[&str], set: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.current_dir(at).env("ELECTRA_CACHE", at.join(".cache")).env("RAYON_NUM_THREADS", "1");
    command.args(["pretrain", "--device", CPU]).args(arguments);
    if !set.is_empty() {
        command.arg("--set").args(MICRO.iter().filter(|s| !overridden(s, set))).args(set);
    }
    succeeds(&command.output().unwrap());
}

/// The text of a sample as it was before the generator came.
fn original(sample: &Value) -> Vec<&str> {
    let word = |token: &'static str, of: &Value| of[token].is_string();
    let tokens = sample["tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| if word("original", token) { &token["original"] } else { &token["token"] })
        .map(|token| token.as_str().unwrap())
        .collect()
}

#[test]
fn every_validation_leaves_a_sample() {
    let directory = directory();
    let at = directory.path();
    // Longer than a sample, and shorter documents than sequences.
    let long = ["data.sequence_length=100", "model.max_position_embeddings=100", "data.packing=documents"];
    run(at, &["--output", "run"], &[&SET[..], &long].concat());
    let samples = json_lines(at.join("run/samples.jsonl"));
    let steps: Vec<u64> = samples.iter().map(|sample| sample["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [0, 5, 10, 15, 20, 25, 30, 35, 40]);
    let (mut replaced, mut longest) = (0, 0);
    for sample in &samples {
        assert_eq!(sample.as_object().unwrap().len(), 2, "{sample}");
        let tokens = sample["tokens"].as_array().unwrap();
        longest = longest.max(tokens.len());
        // The generator may propose one, the text has none.
        assert!(!original(sample).iter().any(|token| ["[PAD]", "[CLS]", "[SEP]"].contains(token)), "{sample}");
        for token in tokens {
            assert!((0.0..=1.0).contains(&token["probability"].as_f64().unwrap()), "{token}");
            let differs = token["original"].is_string();
            assert_eq!(token.as_object().unwrap().len(), if differs { 3 } else { 2 }, "{token}");
            assert!(!differs || token["original"] != token["token"], "{token}");
            replaced += usize::from(differs);
        }
    }
    assert_eq!(longest, 64, "the first tokens of a sequence");
    assert!(replaced > 9, "{replaced}");
    // The same few texts take turns, so that progress can be seen.
    for (one, other) in [(0, 4), (1, 5), (4, 8)] {
        assert_eq!(original(&samples[one]), original(&samples[other]));
    }
    assert_ne!(original(&samples[0]), original(&samples[1]));
    assert_ne!(samples[0], samples[4], "the networks have learned");
}

#[test]
fn a_resumed_run_has_each_sample_once() {
    let directory = directory();
    let at = directory.path();
    run(at, &["--output", "run"], &SET);
    let path = at.join("run/samples.jsonl");
    let whole = read(&path);
    // The run stands at step 20 again, as after a crash in the middle of a line.
    std::fs::remove_dir_all(at.join("run/checkpoints/step-0000040")).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    run(at, &["--resume", "run"], &[]);
    assert_eq!(read(&path), whole);
}

#[test]
fn samples_change_nothing_in_training() {
    let directory = directory();
    let at = directory.path();
    let train = |name: &str| -> Vec<Value> {
        let mut records = json_lines(at.join(name).join("metrics.jsonl"));
        records.retain(|record| record["split"] == "train");
        // The clock's.
        records.iter_mut().for_each(|record| _ = record.as_object_mut().unwrap().remove("tokens_per_second"));
        records
    };
    run(at, &["--output", "often"], &SET);
    run(at, &["--output", "seldom"], &[SET[0], SET[1], "training.validate_every=40", SET[3]]);
    assert_eq!(train("often"), train("seldom"));
}

#[test]
fn an_objective_without_a_discriminator_has_none() {
    let directory = directory();
    let at = directory.path();
    run(at, &["--output", "run"], &["training.steps=2", "objective.kind=mlm"]);
    assert!(!at.join("run/samples.jsonl").exists());
}

//! Numbers that go wrong: poisoned gradients are skipped and counted, and end a run when there are too many in a row.

use crate::common::backends::{Backend, CPU};
use crate::common::program::{MICRO, directory, read, records};
use electra_burn::Result;
use electra_burn::config::{Config, Source, TokenizerConfig, load};
use electra_burn::corpus::read::Corpus;
use electra_burn::corpus::{BuildOptions, build, embedded};
use electra_burn::device::Adapters;
use electra_burn::learner::{Faults, Report, RunOptions, pretrain};
use electra_burn::tokenizer::Tokenizer;
use std::path::Path;

fn config(at: &Path, set: &[&str]) -> Config {
    let corpus = Corpus::from_texts("embedded", embedded());
    let store = at.join("store");
    if !store.exists() {
        let tokenizer = Tokenizer::train(corpus.documents(), 300, &TokenizerConfig::default()).unwrap();
        build(&corpus, &tokenizer, &store, &BuildOptions::default(), &mut |_| ()).unwrap();
    }
    // A GPU's stream of dropout belongs to the process, which several runs share here.
    let set = [set, &["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0"]].concat();
    let set = MICRO
        .iter()
        .filter(|s| !crate::common::program::overridden(s, &set))
        .chain(&set)
        .map(|s| s.to_string())
        .collect();
    load(&Source { corpus: vec![store], preset: Some("demo".into()), set, ..Source::default() }).unwrap()
}

fn run(at: &Path, name: &str, config: &Config, resume: bool, poisoned_steps: &[usize]) -> Result<Report> {
    run_on(CPU, at, name, config, resume, poisoned_steps)
}

fn run_on(
    device: &str,
    at: &Path,
    name: &str,
    config: &Config,
    resume: bool,
    poisoned_steps: &[usize],
) -> Result<Report> {
    let faults = Faults { poisoned_steps: poisoned_steps.to_vec(), ..Faults::default() };
    pretrain(config, RunOptions { resume, faults, ..RunOptions::new(at.join(name), Adapters::select(device, None)?) })
}

/// The records of training of a run.
fn steps_of(run: &Path) -> Vec<serde_json::Value> {
    records(run).into_iter().filter(|record| record["split"] == "train").collect()
}

#[test]
fn a_poisoned_step_is_skipped_and_counted() {
    let directory = directory();
    let at = directory.path();
    let config = config(at, &["training.steps=20", "training.log_every=5"]);
    let report = run(at, "run", &config, false, &[7, 8, 13]).unwrap();
    assert_eq!(report.outcome.steps, 20);
    let records = steps_of(&at.join("run"));
    let skipped: Vec<_> = records.iter().map(|r| r["skipped_steps"].as_u64()).collect();
    assert_eq!(skipped, [None, Some(2), Some(1), None]);
    for record in &records {
        assert!(record["mlm_loss"].as_f64().unwrap().is_finite(), "{record}");
        assert!(record["grad_norm"].as_f64().unwrap().is_finite(), "{record}");
    }
}

/// A poisoned step changes nothing at all, and the steps around it all do.
#[test]
fn a_poisoned_step_leaves_the_weights_as_they_are() {
    let directory = directory();
    let at = directory.path();
    // In bf16 the first updates are too small to be seen.
    let precision = "training.precision=\"f32\"";
    let set = ["training.steps=12", "training.validate_every=1", "training.max_bad_steps=12", precision];
    let config = config(at, &set);
    let losses = |name: &str, poisoned: &[usize]| -> Vec<f64> {
        let report = run(at, name, &config, false, poisoned).unwrap();
        report.outcome.records.iter().filter(|record| record.split == "valid").map(|record| record.mlm_loss).collect()
    };
    let (clean, poisoned) = (losses("clean", &[]), losses("poisoned", &[5, 6, 9]));
    assert_eq!((clean.len(), poisoned.len()), (13, 13), "one before the first step, and one after each");
    assert_eq!(clean[..5], poisoned[..5], "the same run so far");
    for step in 1..=12 {
        let is_skipped = [5, 6, 9].contains(&step);
        assert_eq!(poisoned[step] == poisoned[step - 1], is_skipped, "step {step}: {poisoned:?}");
        assert_ne!(clean[step], clean[step - 1], "step {step}");
    }
    // One that makes no update from some step on ends where the other was then.
    assert_eq!(losses("stopped", &[8, 9, 10, 11, 12])[12], clean[7]);
}

#[test]
fn too_many_bad_steps_end_the_run_with_what_is_known() {
    let directory = directory();
    let at = directory.path();
    let set = ["training.steps=20", "training.max_bad_steps=3", "training.checkpoint_every=5", "training.log_every=5"];
    let config = config(at, &set);
    let error = run(at, "run", &config, false, &[7, 8, 9]).err().unwrap();
    assert!(!error.is_wrong_input());
    assert!(error.to_string().contains("in 3 steps in a row, the last one step 9"), "{error}");
    let report: serde_json::Value = serde_json::from_str(&read(at.join("run/bad-step.json"))).unwrap();
    assert_eq!((report["step"].as_u64(), report["sequences"].as_array().unwrap().len()), (Some(9), 4));
    let norms = report["gradient_norms"].as_object().unwrap();
    for block in ["pair.embeddings", "pair.discriminator.layers.0", "pair.generator_head"] {
        assert_eq!(norms[block], "NaN", "{block} in {norms:?}");
    }
    let checkpoints: Vec<_> =
        std::fs::read_dir(at.join("run/checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(checkpoints, ["step-0000005"], "the last good checkpoint is kept");

    // Once the cause is gone, the run resumes from there, to the figures of a run without the trouble.
    let resumed = run(at, "run", &config, true, &[]).unwrap();
    let clean = run(at, "clean", &config, false, &[]).unwrap();
    assert_eq!(resumed.outcome.last_validation(), clean.outcome.last_validation());
    assert_eq!(resumed.outcome.records.len(), clean.outcome.records.len());
}

crate::on_every_backend!(poisoned_steps_are_skipped_and_counted);

/// On a GPU the device itself leaves bad updates out, and the host learns of them with the next record.
fn poisoned_steps_are_skipped_and_counted(backend: &Backend) {
    let directory = directory();
    let at = directory.path();
    let config = config(at, &["training.steps=12", "training.log_every=4"]);
    let found = run_on(backend.name, at, "found", &config, false, &[6, 7]).unwrap();
    let skipped: Vec<_> = steps_of(&at.join("found")).iter().map(|r| r["skipped_steps"].as_u64()).collect();
    assert_eq!(skipped, [None, Some(2), None]);
    // The same steps are left out on the CPU, so that both go the same way.
    let expected = run(at, "expected", &config, false, &[6, 7]).unwrap();
    let loss = |report: &Report| report.outcome.last_validation().unwrap().mlm_loss;
    assert!((loss(&found) - loss(&expected)).abs() < 1e-2, "{} and {}", loss(&found), loss(&expected));

    let config = Config {
        training: electra_burn::config::TrainingConfig { max_bad_steps: 3, ..config.training.clone() },
        ..config
    };
    let error = run_on(backend.name, at, "bad", &config, false, &[6, 7, 8]).err().unwrap();
    assert!(error.to_string().contains("in 3 steps in a row, the last one step 8"), "{error}");
    let report: serde_json::Value = serde_json::from_str(&read(at.join("bad/bad-step.json"))).unwrap();
    assert_eq!(report["gradient_norms"]["pair.embeddings"], "NaN");
}

#[test]
fn half_precision_is_refused_where_it_is_not_to_be_had() {
    let directory = directory();
    let at = directory.path();
    let error = run(at, "run", &config(at, &["training.precision=\"f16\""]), false, &[]).err().unwrap();
    assert!(error.is_wrong_input());
    assert!(error.to_string().contains("training.precision: f16 on flex"), "{error}");
    assert!(!at.join("run").exists(), "nothing is written");
}

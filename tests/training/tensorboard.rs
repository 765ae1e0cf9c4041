//! A run writes what TensorBoard shows, or does not, and trains the same.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, read, records, refused, succeeds};
use std::path::{Path, PathBuf};

/// The events files of a run, oldest first.
fn events(run: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let is_events = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents.");
    let mut paths: Vec<PathBuf> = paths.filter(is_events).collect();
    paths.sort();
    paths
}

/// How often `text` stands in the file; the numbers are held against TensorBoard's reader by `scripts/check_tensorboard.py`.
fn count(path: &Path, text: &str) -> usize {
    std::fs::read(path).unwrap().windows(text.len()).filter(|bytes| *bytes == text.as_bytes()).count()
}

/// The records of a run without what the clock decides.
fn timeless(run: &Path) -> Vec<serde_json::Value> {
    let mut records = records(run);
    records.iter_mut().for_each(|record| _ = record.as_object_mut().unwrap().remove("tokens_per_second"));
    records
}

#[test]
fn a_run_writes_events_and_trains_the_same_without() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "with"]));
    succeeds(&pretrain(at, &["--output", "without", "--set", "logging.tensorboard=false"]));
    assert_eq!(timeless(&at.join("with")), timeless(&at.join("without")));
    let model = |run: &str| std::fs::read(at.join(run).join("discriminator/model.safetensors")).unwrap();
    assert!(model("with") == model("without"), "the weights differ");

    assert!(events(&at.join("without")).is_empty());
    let [file] = &events(&at.join("with"))[..] else { panic!("one process, one file") };
    // Four records of training, three validations, two of them after a step.
    for (text, expected) in [
        ("mlm_loss/train", 4),
        ("learning_rate/train", 4),
        ("mlm_loss/valid", 3),
        ("norm/weights/pair.discriminator.layers.1", 3),
        ("norm/gradients/pair.discriminator.layers.1", 2),
        ("norm/weights/pair.generator_head", 3),
        ("vocab_size = 300", 1),
    ] {
        assert_eq!(count(file, text), expected, "{text}");
    }
}

#[test]
fn a_run_that_goes_on_begins_a_new_file_or_none() {
    let directory = directory();
    let at = directory.path();
    let set = ["training.steps=10", "training.checkpoint_every=5"];
    succeeds(&pretrain(at, &[["--output", "run", "--set"].as_slice(), &set].concat()));
    let resume = |set: &[&str]| {
        let arguments = ["pretrain", "--device", CPU, "--resume", "run", "--set"];
        electra(at, &[arguments.as_slice(), set].concat())
    };
    succeeds(&resume(&["training.steps=20"]));
    let files = events(&at.join("run"));
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(count(&files[1], "mlm_loss/train"), 2, "steps 15 and 20");

    succeeds(&resume(&["training.steps=30", "logging.tensorboard=false"]));
    assert_eq!(events(&at.join("run")), files);
    assert!(read(at.join("run/config.toml")).contains("tensorboard = false"));
    refused(&resume(&["logging.tensorbord=true"]), &["--set logging.tensorbord=true", "unknown field `tensorbord`"]);
}

#[test]
fn a_fine_tuning_run_writes_events() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    let table: String = (0..32).map(|row| format!("{}\twater and wood\n", ["a", "b"][row % 2])).collect();
    std::fs::write(at.join("data.tsv"), format!("label\ttext\n{table}")).unwrap();
    let finetune = |arguments: &[&str]| {
        let data = ["--model", "run/discriminator", "--train", "data.tsv", "--dev", "data.tsv", "--epochs", "2"];
        electra(at, &[["finetune", "--device", CPU, "--task", "classification"].as_slice(), &data, arguments].concat())
    };
    succeeds(&finetune(&["--output", "tuned"]));
    let [file] = &events(&at.join("tuned"))[..] else { panic!("one process, one file") };
    let records = timeless(&at.join("tuned"));
    let valid = records.iter().filter(|record| record["split"] == "valid").count();
    assert_eq!(count(file, "accuracy/valid"), valid);
    assert!(count(file, "loss/train") > 0 && count(file, "norm/weights/network.classifier") > 0);

    succeeds(&finetune(&["--output", "silent", "--set", "logging.tensorboard=false"]));
    assert!(events(&at.join("silent")).is_empty());
}

//! A resume never makes things worse: what cannot be used is passed over or refused, and nothing goes before its successor is
//! whole.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, overridden, pretrain, read, refused, succeeds, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const SET: [&str; 3] = ["training.steps=20", "training.checkpoint_every=10", "training.keep_checkpoints=9"];

/// A run of twenty steps with checkpoints of 10 and 20.
fn base(at: &Path) -> PathBuf {
    succeeds(&pretrain(at, &[&["--output", "run", "--set"], &SET[..]].concat()));
    at.join("run")
}

fn resume(at: &Path, more: &[&str]) -> std::process::Output {
    electra(at, &[&["pretrain", "--device", CPU, "--resume", "run"], more].concat())
}

/// Every file below `path` with its contents, but for the lock.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().unwrap() != "lock" {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// That `--resume` with `more` is refused with `parts`, and leaves the run as it was.
fn refused_untouched(at: &Path, more: &[&str], parts: &[&str]) {
    let before = files(&at.join("run"));
    refused(&resume(at, more), parts);
    assert!(files(&at.join("run")) == before, "something was changed: {parts:?}");
}

fn edit(path: &Path, from: &str, to: &str) {
    let before = read(path);
    assert!(before.contains(from), "{from} in {before}");
    std::fs::write(path, before.replacen(from, to, 1)).unwrap();
}

fn state(run: &Path, step: usize) -> PathBuf {
    run.join(format!("checkpoints/step-{step:07}/state.json"))
}

/// Finding 1: a checkpoint of another version was deleted, and the run begun again.
#[test]
fn checkpoints_of_another_version_are_refused() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let original = read(state(&run, 20));
    for (from, to, expected) in [
        ("\"schema\": 3", "\"schema\": 4", "its schema is 4, written by electra "),
        ("\"schema\": 3", "\"schema\": 3, \"later\": 1", "unknown field `later`"),
        ("\"step\": 20", "\"step\": \"20\"", "invalid type: string"),
    ] {
        edit(&state(&run, 20), from, to);
        refused_untouched(at, &["--set", "training.steps=30"], &["step-0000020/state.json", expected]);
        std::fs::write(state(&run, 20), &original).unwrap();
    }
    succeeds(&resume(at, &["--set", "training.steps=30"]));
}

/// Finding 1: a file that cannot be read for the moment was taken for damage. A directory in its place stops the superuser too.
#[test]
fn checkpoints_that_cannot_be_read_are_refused() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    for part in ["optimizer.bpk", "state.json", "interval.safetensors"] {
        let file = run.join("checkpoints/step-0000020").join(part);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        refused_untouched(at, &["--set", "training.steps=30"], &[part, "expected a file that can be read"]);
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, bytes).unwrap();
    }
    succeeds(&resume(at, &["--set", "training.steps=30"]));
}

/// Finding 1: the newest checkpoint went before the next was whole, and so did the records after it.
#[test]
fn a_damaged_checkpoint_stays_until_the_next_is_whole() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let damaged = run.join("checkpoints/step-0000020/model.bpk");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    let records = read(run.join("metrics.jsonl"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.args(["pretrain", "--device", CPU, "--resume", "run", "--set", "training.steps=30"]);
    command.current_dir(at).env("ELECTRA_CACHE", at.join(".cache")).env("ELECTRA_FAULT", "panic@13");
    let crashed = command.output().unwrap();
    assert_eq!(crashed.status.code(), Some(1), "{}", text(&crashed.stderr));
    assert!(text(&crashed.stdout).contains("step-0000020 is damaged (model.bpk"), "{}", text(&crashed.stdout));
    assert_eq!(std::fs::read(&damaged).unwrap(), bytes);
    let kept = read(run.join("metrics.jsonl")) + &read(run.join(".metrics.jsonl.removed"));
    assert!(records.lines().all(|line| kept.lines().any(|other| other == line)), "{records}\n\n{kept}");
    succeeds(&resume(at, &["--set", "training.steps=30"]));
    assert_ne!(std::fs::read(&damaged).unwrap(), bytes);
    assert!(!run.join(".metrics.jsonl.removed").exists());
    succeeds(&resume(at, &["--set", "training.steps=40"]));
}

/// Finding 1: without a whole checkpoint the run began at step 0, without a word.
#[test]
fn a_run_without_a_whole_checkpoint_is_refused_and_begins_anew_when_asked() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    for step in [10, 20] {
        std::fs::remove_file(run.join(format!("checkpoints/step-{step:07}/model.bpk"))).unwrap();
    }
    refused_untouched(at, &[], &["none of 2 checkpoints is whole", "`--restart` begins at step 0"]);
    std::fs::rename(run.join("checkpoints"), at.join("aside")).unwrap();
    refused_untouched(at, &[], &["there is no checkpoint, but records up to step 20", "`--restart`"]);
    std::fs::rename(at.join("aside"), run.join("checkpoints")).unwrap();

    let anew = resume(at, &["--restart"]);
    succeeds(&anew);
    let said = "what run had come to, up to step 20, is now in run/before-restart-1; training begins at step 0";
    assert!(text(&anew.stdout).contains(said), "{}", text(&anew.stdout));
    let (records, old) = (read(run.join("metrics.jsonl")), read(run.join("before-restart-1/metrics.jsonl")));
    assert_eq!(records.lines().count(), old.lines().count());
    assert!(run.join("before-restart-1/checkpoints/step-0000010/state.json").exists());
    refused(&electra(at, &["pretrain", "--restart"]), &["--resume"]);
}

/// Finding 1: a run that began from a pair went on from random weights.
#[test]
fn a_run_from_a_pair_never_goes_on_from_fresh_weights() {
    let directory = directory();
    let at = directory.path();
    base(at);
    let set: Vec<&str> = crate::common::program::MICRO.into_iter().filter(|s| !overridden(s, &SET)).collect();
    let begin = ["pretrain", "--device", CPU, "--init-discriminator", "run/discriminator", "--init-generator"];
    let begun = electra(at, &[&begin[..], &["run/generator", "--output", "second", "--set"], &set, &SET].concat());
    succeeds(&begun);
    let first = |run: &str| read(at.join(run).join("metrics.jsonl")).lines().next().unwrap().to_owned();
    let before = first("second");
    for step in [10, 20] {
        edit(&state(&at.join("second"), step), "\"schema\": 3", "\"schema\": 4");
    }
    let again = |more: &[&str]| electra(at, &[&["pretrain", "--device", CPU, "--resume", "second"], more].concat());
    refused(&again(&[]), &["its schema is 4"]);
    succeeds(&again(&["--restart"]));
    let loss = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["mlm_loss"].as_f64().unwrap();
    assert_eq!(loss(&first("second")), loss(&before));
}

/// A dry run is about the pair that the run would begin from, and makes nothing.
#[test]
fn a_dry_run_from_a_pair_is_about_that_pair() {
    let directory = directory();
    let at = directory.path();
    base(at);
    let begin = [
        "pretrain",
        "--device",
        CPU,
        "--dry-run",
        "--preset",
        "tiny",
        "--output",
        "new",
        "--set",
        "data.sequence_length=16",
    ];
    let parameters = |more: &[&str]| {
        let output = electra(at, &[&begin[..], more].concat());
        succeeds(&output);
        text(&output.stdout).lines().next().unwrap().to_owned()
    };
    let of_pair = parameters(&["--init-discriminator", "run/discriminator", "--init-generator", "run/generator"]);
    assert_ne!(of_pair, parameters(&[]));
    let steps = ["training.steps=1", "data.validation_sequences=4"];
    let set: Vec<&str> = crate::common::program::MICRO.into_iter().filter(|s| !overridden(s, &steps)).collect();
    let micro = electra(at, &[&["pretrain", "--device", CPU, "--dry-run", "--set"], &set[..], &steps].concat());
    assert_eq!(of_pair, text(&micro.stdout).lines().next().unwrap());
    assert!(!at.join("new").exists());
}

/// A classifier in `tuned` that was fine-tuned on labels which the text does not tell, with the arguments `more`.
fn tune(at: &Path, more: &[&str]) -> PathBuf {
    base(at);
    let rows: String = (0..40).map(|i| format!("the water {i}\t{}\n", if i % 2 == 0 { "a" } else { "b" })).collect();
    std::fs::write(at.join("train.tsv"), format!("text\tlabel\n{rows}")).unwrap();
    let begin = ["finetune", "--task", "classification", "--model", "run/discriminator", "--train", "train.tsv"];
    let rest = ["--dev", "train.tsv", "--output", "tuned", "--device", CPU];
    succeeds(&electra(at, &[&begin[..], &rest, more].concat()));
    at.join("tuned")
}

/// Finding 1, of fine-tuning.
#[test]
fn fine_tuning_is_refused_alike() {
    let directory = directory();
    let at = directory.path();
    let tuned = tune(at, &["--epochs", "2"]);
    for entry in std::fs::read_dir(tuned.join("checkpoints")).unwrap() {
        edit(&entry.unwrap().path().join("state.json"), "\"schema\": 3", "\"schema\": 1");
    }
    let before = files(&tuned);
    refused(&electra(at, &["finetune", "--resume", "tuned", "--device", CPU]), &["its schema is 1"]);
    assert!(files(&tuned) == before, "something was changed");
    succeeds(&electra(at, &["finetune", "--resume", "tuned", "--restart", "--device", CPU]));
    assert!(tuned.join("before-restart-1/metrics.jsonl").exists());
}

/// Finding 8: neighbours that the user had made were removed.
#[test]
fn the_users_neighbours_stay() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let mine = ["discriminator.old", "discriminator.new", "generator.new", "config.toml.partial"];
    for name in mine {
        std::fs::create_dir(run.join(name)).unwrap();
        std::fs::write(run.join(name).join("mine"), name).unwrap();
    }
    succeeds(&resume(at, &["--set", "training.steps=30"]));
    for name in mine {
        assert_eq!(read(run.join(name).join("mine")), name);
    }
    let left = std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!left.into_iter().any(|name| name.starts_with(".partial")), "a temporary neighbour stays");
}

/// The best checkpoint is held to its hashes like the newest: what is wrong with it is an error, and the model stays.
#[test]
fn the_best_checkpoint_must_be_whole() {
    let directory = directory();
    let at = directory.path();
    let tuned = tune(at, &["--epochs", "4", "--metric", "loss", "--set", "training.keep_checkpoints=9"]);
    // The first validation after a step becomes the best by far.
    let metrics = tuned.join("metrics.jsonl");
    let mut records: Vec<serde_json::Value> =
        read(&metrics).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_first = |record: &serde_json::Value| record["split"] == "valid" && record["step"].as_u64() > Some(0);
    let first = records.iter_mut().find(|record| is_first(record)).unwrap();
    first["loss"] = 0.001.into();
    let best = tuned.join(format!("checkpoints/step-{:07}", first["step"].as_u64().unwrap()));
    std::fs::write(&metrics, records.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();
    let again = || electra(at, &["finetune", "--resume", "tuned", "--device", CPU]);
    let kept = |name: &str| files(&tuned.join(name));
    let (model, results) = (kept("model"), read(tuned.join("results.json")));
    let (weights, state) = (best.join("model.bpk"), best.join("state.json"));
    let (bytes, text) = (std::fs::read(&weights).unwrap(), read(&state));
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let cases: [(&str, &dyn Fn(), &str); 4] = [
        ("a bit", &|| std::fs::write(&weights, &flipped).unwrap(), "its sha256 is"),
        ("the weights", &|| std::fs::remove_file(&weights).unwrap(), "model.bpk is missing"),
        (
            "the schema",
            &|| std::fs::write(&state, text.replace("\"schema\": 3", "\"schema\": 4")).unwrap(),
            "its schema is 4",
        ),
        ("all", &|| std::fs::remove_dir_all(&best).unwrap(), "state.json is missing"),
    ];
    for (what, damage, expected) in cases {
        damage();
        refused(&again(), &[best.file_name().unwrap().to_str().unwrap(), expected]);
        assert!(kept("model") == model && read(tuned.join("results.json")) == results, "{what}: the model was changed");
        if best.exists() {
            std::fs::write(&weights, &bytes).unwrap();
            std::fs::write(&state, &text).unwrap();
        }
    }
}

/// A trained model without checkpoints and records is no run that has not begun; set aside, all of it is kept.
#[test]
fn a_trained_model_is_not_begun_anew() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    std::fs::remove_file(run.join("metrics.jsonl")).unwrap();
    refused_untouched(at, &[], &["there is no checkpoint, but a trained model in discriminator/", "`--restart`"]);
    let before = files(&run);
    succeeds(&resume(at, &["--restart"]));
    for (path, bytes) in before {
        let part = path.strip_prefix(&run).unwrap();
        let first = part.components().next().unwrap().as_os_str().to_str().unwrap();
        if ["discriminator", "generator", "config.toml", "run.json", "samples.jsonl"].contains(&first) {
            assert!(std::fs::read(run.join("before-restart-1").join(part)).unwrap() == bytes, "{}", part.display());
        }
    }
}

/// A checkpoint under the name of another step is none of either.
#[test]
fn the_step_is_that_of_the_name() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let state = run.join("checkpoints/step-0000020/state.json");
    edit(&state, "\"step\": 20", "\"step\": 15");
    refused(&electra(at, &["export", "run", "--checkpoint", "20", "--output", "out"]), &["step-0000020"]);
    let resumed = resume(at, &["--set", "training.steps=30"]);
    succeeds(&resumed);
    assert!(text(&resumed.stdout).contains("state.json is of step 15"), "{}", text(&resumed.stdout));
}

/// What a run does not know under its own names stays: in the folder of checkpoints, in models, in a checkpoint that goes.
#[test]
fn the_users_files_stay_wherever_they_lie() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let mine = [
        "checkpoints/.step-0000020.old/mine",
        "checkpoints/.step-0000030.partial/mine",
        "checkpoints/.step-0000010.old-mine/mine",
        "checkpoints/step-9/mine",
        "discriminator/notes.txt",
        "generator/notes/deep.txt",
    ];
    for path in mine {
        std::fs::create_dir_all(run.join(path).parent().unwrap()).unwrap();
        std::fs::write(run.join(path), path).unwrap();
    }
    std::fs::write(run.join("checkpoints/step-0000010/notes.txt"), "of ten").unwrap();
    succeeds(&resume(at, &["--set", "training.steps=40", "training.keep_checkpoints=1"]));
    for path in mine {
        assert_eq!(read(run.join(path)), path);
    }
    let left: Vec<PathBuf> =
        files(&run.join("checkpoints")).into_keys().filter(|path| path.ends_with("notes.txt")).collect();
    assert!(left.len() == 1 && read(&left[0]) == "of ten", "{left:?}");
    assert!(!run.join("checkpoints/step-0000010").exists(), "it was to go");
    std::fs::remove_dir_all(run.join("discriminator")).unwrap();
    std::fs::write(run.join("discriminator"), "a file of mine").unwrap();
    resume(at, &["--set", "training.steps=50"]);
    assert_eq!(read(run.join("discriminator")), "a file of mine");
}

/// What cannot be read or written beside the checkpoints ends a resume before anything is changed.
#[test]
fn records_that_cannot_be_used_are_refused() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    for name in ["metrics.jsonl", "samples.jsonl", "status.json", "run.json"] {
        let path = run.join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        refused_untouched(at, &["--set", "training.steps=30"], &[name]);
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let facts = read(run.join("run.json"));
    std::fs::write(run.join("run.json"), "{").unwrap();
    refused_untouched(at, &["--set", "training.steps=30"], &["run.json"]);
    std::fs::write(run.join("run.json"), facts).unwrap();
    refused(&electra(at, &["pretrain", "--restart", "--output", "other"]), &["expected --resume"]);
    #[cfg(unix)]
    {
        let newest = run.join("checkpoints/step-0000020");
        std::fs::rename(&newest, at.join("away")).unwrap();
        std::os::unix::fs::symlink(at.join("unmounted"), &newest).unwrap();
        refused(&resume(at, &["--set", "training.steps=30"]), &["step-0000020", "a link to nothing"]);
        assert!(newest.is_symlink());
        std::fs::remove_file(&newest).unwrap();
        std::fs::rename(at.join("away"), &newest).unwrap();
    }
    succeeds(&resume(at, &["--set", "training.steps=30"]));
}

/// Where nothing is left to do, nothing is said to have been done.
#[test]
fn a_finished_run_has_nothing_to_do() {
    let directory = directory();
    let at = directory.path();
    base(at);
    let again = resume(at, &[]);
    succeeds(&again);
    let said = text(&again.stdout);
    assert!(
        said.contains("nothing is left to do after 20 steps: training.steps is 20") && !said.contains("20 steps in"),
        "{said}"
    );
}

//! The program as a user runs it.

use super::backends::CPU;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A demonstration small enough for a test: it runs in about two seconds.
pub const MICRO: [&str; 20] = [
    "init.positions=random",
    "model.initializer_range=0.02",
    "model.vocab_size=300",
    "model.embedding_size=16",
    "model.hidden_size=32",
    "model.num_attention_heads=2",
    "model.intermediate_size=64",
    "model.max_position_embeddings=32",
    "model.hidden_dropout_prob=0.1",
    "model.attention_probs_dropout_prob=0.1",
    "generator.hidden_size=8",
    "generator.num_hidden_layers=2",
    "generator.intermediate_size=16",
    "data.batch_size=4",
    "data.sequence_length=16",
    "data.validation_sequences=8",
    "optimizer.learning_rate=3e-3",
    "training.steps=20",
    "training.log_every=5",
    "training.validate_every=10",
];

/// The program: the one that was built with the tests, or `ELECTRA_PROGRAM`, where a test runs on another machine.
fn program() -> PathBuf {
    std::env::var_os("ELECTRA_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_electra").into()).into()
}

pub fn electra(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    // Each test has a cache of its own, beside what it makes.
    command
        .env("ELECTRA_CACHE", directory.join(".cache"))
        .env("ELECTRA_BENCHMARKS", directory.join("benchmarks.jsonl"));
    command.current_dir(directory).args(arguments).output().expect("the program starts")
}

/// [`electra`] with `input` as its standard input.
pub fn piped(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program());
    command.current_dir(directory).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// `pretrain` with the micro configuration and `arguments` after it.
pub fn pretrain(directory: &Path, arguments: &[&str]) -> Output {
    let mut all = vec!["pretrain", "--device", CPU];
    all.extend(arguments);
    all.push("--set");
    let set: Vec<&str> = MICRO.into_iter().filter(|s| !overridden(s, arguments)).collect();
    all.extend(set);
    electra(directory, &all)
}

pub fn overridden(assignment: &str, arguments: &[&str]) -> bool {
    let key = assignment.split('=').next().unwrap();
    arguments.iter().any(|argument| argument.starts_with(&format!("{key}=")))
}

pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

pub fn succeeds(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Exit code 2, one error that holds all of `parts`, no panic.
pub fn refused(output: &Output, parts: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{}{stderr}", text(&output.stdout));
    assert!(!stderr.contains("panicked"), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "expected \"{part}\" in:\n{stderr}");
    }
}

/// The objects of a file with one on each line.
pub fn json_lines(path: impl AsRef<Path>) -> Vec<serde_json::Value> {
    read(path).lines().map(|line| serde_json::from_str(line).expect("a line is a JSON object")).collect()
}

/// The records of the run at `run`, of training and of validations.
pub fn records(run: &Path) -> Vec<serde_json::Value> {
    json_lines(run.join("metrics.jsonl"))
}

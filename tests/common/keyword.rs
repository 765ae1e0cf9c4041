//! A task that a micro encoder learns in seconds: whether a sentence has the word "stone" in it.

use super::backends::CPU;
use super::program::{directory, electra, pretrain, succeeds};
use electra_burn::data::{Purpose, Rng};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

/// A micro encoder that all tests start from.
pub fn encoder() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let directory = directory();
        let output = pretrain(directory.path(), &["--output", "run"]);
        succeeds(&output);
        let path = directory.path().join("run").join("discriminator");
        (directory, path)
    });
    path
}

/// Words that the micro vocabulary has whole, or nearly.
pub const WORDS: [&str; 8] = ["the", "water", "and", "of", "wood", "in", "a", "it"];

/// `count` sentences of seven words, some of which `change` may replace.
pub fn sentences(count: usize, seed: u64, change: impl Fn(&mut Vec<&'static str>, &mut Rng)) -> Vec<Vec<&'static str>> {
    let sentence = |row: usize| {
        let mut rng = Rng::new(seed, Purpose::Order, 0, row as u64);
        let mut words: Vec<&str> = (0..7).map(|_| WORDS[rng.below(WORDS.len())]).collect();
        change(&mut words, &mut rng);
        words
    };
    (0..count).map(sentence).collect()
}

/// Half of the sentences have the word "stone" in them.
pub fn with_stone(count: usize, seed: u64) -> Vec<Vec<&'static str>> {
    sentences(count, seed, |words, rng| {
        if rng.below(2) == 1 {
            let at = rng.below(words.len());
            words[at] = "stone";
        }
    })
}

pub fn has_stone(words: &[&str]) -> bool {
    words.contains(&"stone")
}

pub fn write(path: PathBuf, text: &str) -> String {
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

pub fn keyword_table(directory: &Path, name: &str, count: usize, seed: u64) -> String {
    let mut table = String::from("label\ttext\n");
    for words in with_stone(count, seed) {
        writeln!(table, "{}\t{}", if has_stone(&words) { "stone" } else { "none" }, words.join(" ")).unwrap();
    }
    write(directory.join(name), &table)
}

/// Fine-tunes the micro encoder; `arguments` come after.
pub fn finetune(directory: &Path, task: &str, train: &str, dev: &str, arguments: &[&str]) -> Output {
    let model = encoder().to_string_lossy();
    let mut all = vec!["finetune", "--device", CPU, "--no-tui", "--task", task, "--model", &model];
    all.extend(["--train", train, "--dev", dev, "--output", "run", "--learning-rate", "5e-3"]);
    all.extend(arguments);
    electra(directory, &all)
}

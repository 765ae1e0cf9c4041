//! `electra glue` on a benchmark in miniature, its files laid out as the original ones.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, read, refused, succeeds};
use electra_burn::data::{Purpose, Rng};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::process::Output;

/// Words that the micro vocabulary has whole, or nearly.
const WORDS: [&str; 9] = ["the", "water", "and", "of", "wood", "in", "a", "it", "stone"];

/// Writes a table of `count` rows, each as `row` makes it of its number, whether there is a stone in the first text, and
/// two texts.
fn table(path: &Path, header: &str, count: usize, seed: u64, row: impl Fn(usize, bool, &str, &str) -> String) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut table = header.to_owned();
    for number in 0..count {
        let rng = &mut Rng::new(seed, Purpose::Order, 0, number as u64);
        let [first, second] =
            [(); 2].map(|()| (0..5).map(|_| WORDS[rng.below(WORDS.len())]).collect::<Vec<_>>().join(" "));
        writeln!(table, "{}", row(number, first.contains("stone"), &first, &second)).unwrap();
    }
    std::fs::write(path, table).unwrap();
}

fn cola(folder: &Path) {
    for (name, count, seed) in [("train.tsv", 200, 1), ("dev.tsv", 60, 2)] {
        let row = |_: usize, stone: bool, text: &str, _: &str| format!("gj04\t{}\t*\t{text}", u8::from(stone));
        table(&folder.join(name), "", count, seed, row);
    }
    table(&folder.join("test.tsv"), "index\tsentence\n", 7, 3, |number, _, text, _| format!("{number}\t{text}"));
}

fn mrpc(folder: &Path) {
    let header = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";
    for (name, seed) in [("train.tsv", 4), ("dev.tsv", 5)] {
        // A quote is a character like any other.
        let row =
            |number: usize, stone: bool, a: &str, b: &str| format!("{}\t{number}\t9\t{a} \"\t{b}", u8::from(stone));
        table(&folder.join(name), header, 40, seed, row);
    }
}

fn mnli(folder: &Path) {
    let gold = |stone: bool, second: &str| match (stone, second.contains("water")) {
        (true, _) => "entailment",
        (false, true) => "neutral",
        (false, false) => "contradiction",
    };
    let header = "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n";
    for (name, seed) in [("train.tsv", 6), ("dev_matched.tsv", 7), ("dev_mismatched.tsv", 8)] {
        let row = |number: usize, stone: bool, a: &str, b: &str| {
            format!("{number}\tfiction\t{a}\t{b}\tneutral\t{}", gold(stone, b))
        };
        table(&folder.join(name), header, 60, seed, row);
    }
    for (name, seed) in [("test_matched.tsv", 9), ("test_mismatched.tsv", 10)] {
        // An empty text is answered like any other.
        let row =
            |number: usize, _: bool, a: &str, b: &str| format!("{number}\t{a}\t{}", if number == 2 { "" } else { b });
        table(&folder.join(name), "index\tsentence1\tsentence2\n", 5, seed, row);
    }
}

/// The set that MNLI's model answers.
fn diagnostic(folder: &Path) {
    let row = |number: usize, _: bool, a: &str, b: &str| format!("{number}\t{a}\t{b}");
    table(&folder.join("diagnostic.tsv"), "index\tsentence1\tsentence2\n", 6, 14, row);
}

fn sts(folder: &Path) {
    for (name, seed) in [("train.tsv", 11), ("dev.tsv", 12)] {
        let row = |number: usize, stone: bool, a: &str, b: &str| {
            format!("{number}\t{a}\t{b}\t{}", if stone { 4.2 } else { 1.0 })
        };
        table(&folder.join(name), "index\tsentence1\tsentence2\tscore\n", 40, seed, row);
    }
    let row = |number: usize, _: bool, a: &str, b: &str| format!("{number}\t{a}\t{b}");
    table(&folder.join("test.tsv"), "index\tsentence1\tsentence2\n", 5, 13, row);
}

fn run(path: &Path, arguments: &[&str]) -> Output {
    let all = ["glue", "--device", CPU, "--no-tui", "--model", "run/discriminator", "--data", "data"];
    electra(path, &[&all[..], &["--output", "out"], arguments].concat())
}

#[test]
fn tasks_that_are_there_are_run_judged_and_answered() {
    let directory = directory();
    let path = directory.path();
    succeeds(&pretrain(path, &["--output", "run"]));
    let data = path.join("data");
    std::fs::create_dir_all(data.join("notes")).unwrap();
    refused(&run(path, &[]), &["data", "no task of GLUE", "CoLA", "train.tsv", "dev.tsv"]);

    // Names of folders differ between distributions.
    cola(&data.join("cola"));
    mrpc(&data.join("MRPC"));
    mnli(&data.join("MNLI"));
    sts(&data.join("STSB"));
    diagnostic(&data.join("diagnostic"));
    refused(&run(path, &["--tasks", "ColA", "SQuAD"]), &["SQuAD", "MNLI"]);
    refused(&run(path, &["--tasks", "RTE"]), &["data", "RTE"]);
    assert!(!path.join("out").exists(), "something was written");

    let recipe = ["--seeds", "2", "--epochs", "2", "--learning-rate", "5e-3"];
    succeeds(&run(path, &recipe));
    let parse = |file: &str| serde_json::from_str::<Value>(&read(path.join(file))).unwrap();
    let results = parse("out/results.json");
    let figure = |set: &str, metric: &str, which: &str| results["dev"][set][metric][which].as_f64().unwrap();
    let score = |set: &str| figure(set, "score", "median");
    let mut seeds = [42, 43].map(|seed| {
        let results = parse(&format!("out/MRPC/seed-{seed}/results.json"));
        let of = |metric: &str| results["dev"][metric].as_f64().unwrap();
        (of("accuracy") + of("f1[1]")) / 2.0
    });
    seeds.sort_by(f64::total_cmp);
    assert!((figure("MRPC", "score", "least") - seeds[0]).abs() < 1e-12, "{results:#}");
    assert!((score("MRPC") - (seeds[0] + seeds[1]) / 2.0).abs() < 1e-12, "{results:#}");
    assert_eq!(score("CoLA"), figure("CoLA", "matthews", "median"));
    let average = (score("CoLA") + score("MRPC") + score("STS-B") + (score("MNLI-m") + score("MNLI-mm")) / 2.0) / 4.0;
    assert!((results["average"].as_f64().unwrap() - average).abs() < 1e-12, "{results:#}");

    // Each dev set has its own figures: those of a seed's model on it.
    let arguments = ["evaluate", "--device", CPU, "--model", "out/MNLI/seed-42/model", "--json", "--data"];
    let judged = electra(path, &[&arguments[..], &["data/MNLI/dev_mismatched.tsv"]].concat());
    let judged: Value = serde_json::from_slice(&judged.stdout).unwrap();
    let ends = ["least", "most"].map(|end| figure("MNLI-mm", "accuracy", end));
    assert!(ends.contains(&judged["accuracy"].as_f64().unwrap()), "{judged} is none of {ends:?}");

    // Predictions as the benchmark takes them.
    let submission = |name: &str| -> Vec<(usize, String)> {
        let text = read(path.join("out/submission").join(name));
        let mut lines = text.lines().map(|line| line.split_once('\t').unwrap());
        assert_eq!(lines.next(), Some(("index", "prediction")), "{name}");
        lines.map(|(number, said)| (number.parse().unwrap(), said.to_owned())).collect()
    };
    let (two, three) = (&["0", "1"][..], &["entailment", "neutral", "contradiction"][..]);
    let sets = [("CoLA.tsv", 7, two), ("MNLI-m.tsv", 5, three), ("MNLI-mm.tsv", 5, three), ("AX.tsv", 6, three)];
    for (name, count, labels) in sets {
        let (numbers, said): (Vec<usize>, Vec<String>) = submission(name).into_iter().unzip();
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "{name}");
        assert!(said.iter().all(|said| labels.contains(&said.as_str())), "{name}: {said:?}");
    }
    assert!(submission("STS-B.tsv").iter().all(|(_, said)| (0.0..=5.0).contains(&said.parse::<f64>().unwrap())));
    assert!(!path.join("out/submission/MRPC.tsv").exists(), "it has no test set");

    // Nothing is overwritten; what is finished is not done again, and comes to the same.
    refused(&run(path, &recipe), &["out", "not empty", "--resume"]);
    succeeds(&run(path, &[&recipe[..], &["--resume"]].concat()));
    assert_eq!(parse("out/results.json"), results);

    // Other data are another run.
    std::fs::write(data.join("cola/dev.tsv"), "gj04\t1\t\tthe water\ngj04\t0\t\tthe wood\n").unwrap();
    refused(&run(path, &[&recipe[..], &["--resume"]].concat()), &["the data are others"]);
    std::fs::write(data.join("cola/train.tsv"), "gj04\t1\tthe water\n").unwrap();
    refused(&run(path, &["--resume"]), &["cola", "train.tsv:1:", "four columns"]);
    std::fs::remove_file(data.join("MNLI/dev_matched.tsv")).unwrap();
    refused(&run(path, &["--resume"]), &["MNLI", "dev_matched.tsv"]);
}

//! `electra score`: sentences against what `fill` and `detect` say of their tokens, and minimal pairs.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, refused, succeeds, text};
use electra_burn::predict::{Detector, Filler};
use electra_burn::scoring::Scorer;
use std::path::Path;

const TEXTS: [&str; 4] =
    ["the water of the stone", "a", "The river sings through the old town, and the sea waits for it.", "stone"];

fn trained(at: &Path) {
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=40"]));
}

fn scores(at: &Path, network: &str, texts: &[&str]) -> Vec<f64> {
    let scorer = Scorer::open(&at.join("run").join(network), &crate::common::device(CPU)).unwrap();
    scorer.score(texts).unwrap().iter().map(|score| score.sum).collect()
}

/// Padding and company make no difference, and every token counts once.
#[test]
fn a_sentence_scores_what_its_tokens_do() {
    let directory = directory();
    let at = directory.path();
    trained(at);
    let device = crate::common::device(CPU);
    let detector = Detector::open(&at.join("run/discriminator"), &device).unwrap();
    let filler = Filler::open(&at.join("run/generator"), &device).unwrap();
    let (by_generator, by_discriminator) = (scores(at, "generator", &TEXTS), scores(at, "discriminator", &TEXTS));
    let mut words_of_two = 0;
    for (number, said) in TEXTS.iter().enumerate() {
        let verdicts = detector.detect(said).unwrap();
        let expected: f64 = verdicts.iter().map(|verdict| (1.0 - verdict.replaced).ln()).sum();
        assert!((by_discriminator[number] - expected).abs() < 1e-4, "{} and {expected}", by_discriminator[number]);

        // Words whose pieces are more than two cannot be written with a hole after the second.
        let pieces: Vec<_> = verdicts.iter().map(|verdict| &verdict.piece).collect();
        let continues = |at: usize| pieces.get(at).is_some_and(|piece| piece.token.starts_with("##"));
        if (0..pieces.len()).any(|at| continues(at) && continues(at + 1)) {
            continue;
        }
        let mut expected = 0.0;
        for (hole, piece) in pieces.iter().enumerate() {
            // The text up to the hole, the hole and the rest of its word, and the text after.
            let end = if continues(hole + 1) { pieces[hole + 1].end } else { piece.end };
            words_of_two += usize::from(continues(hole + 1));
            let characters: Vec<char> = said.chars().collect();
            let part = |range: std::ops::Range<usize>| characters[range].iter().collect::<String>();
            let holes = if continues(hole + 1) { "[MASK] [MASK]" } else { "[MASK]" };
            let holed = format!("{} {holes} {}", part(0..piece.start), part(end..characters.len()));
            let fillings = filler.fill(&holed, usize::MAX).unwrap();
            expected += fillings[0].iter().find(|filling| filling.id == piece.id).unwrap().probability.ln();
        }
        assert!((by_generator[number] - expected).abs() < 1e-3, "{said}: {} and {expected}", by_generator[number]);
    }
    assert!(words_of_two > 0, "some word has two pieces");
    for network in ["generator", "discriminator"] {
        let together = scores(at, network, &TEXTS);
        for (said, together) in TEXTS.iter().zip(together) {
            let alone = scores(at, network, &[said])[0];
            assert!((alone - together).abs() < 1e-4, "{network}, {said}: {alone} alone, {together}");
        }
    }
}

#[test]
fn pairs_are_judged_by_group() {
    let directory = directory();
    let at = directory.path();
    trained(at);
    let judged = |pairs: &str, network: &str| -> serde_json::Value {
        std::fs::write(at.join("pairs.tsv"), pairs).unwrap();
        let model = format!("run/{network}");
        let output = electra(at, &["score", "--device", CPU, "--model", &model, "--pairs", "pairs.tsv", "--json"]);
        succeeds(&output);
        serde_json::from_slice(&output.stdout).expect("one JSON object")
    };
    let pairs = [
        ("the water of the stone", "water stone the of the"),
        ("a river", "river a"),
        ("the old town", "the town old"),
    ];
    let lines = |turned: bool| -> String {
        let line = |(at, (good, bad)): (usize, &(&str, &str))| {
            let (good, bad) = if turned { (bad, good) } else { (good, bad) };
            format!("{good}\t{bad}\t{}\n", if at == 0 { "long" } else { "short" })
        };
        pairs.iter().enumerate().map(line).collect()
    };
    for network in ["generator", "discriminator"] {
        let (one, other) = (judged(&lines(false), network), judged(&lines(true), network));
        assert_eq!((one["by"].as_str(), one["pairs"].as_u64()), (Some(network), Some(3)));
        let sum = one["accuracy"].as_f64().unwrap() + other["accuracy"].as_f64().unwrap();
        assert!((sum - 1.0).abs() < 1e-12, "turned round, right becomes wrong: {one} and {other}");
        let groups = one["groups"].as_array().unwrap();
        assert_eq!(groups.iter().map(|group| group["pairs"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(judged("the sea\tThe sea\n", network)["accuracy"], 0.5, "equal scores count half");
    }
    let english = electra(at, &["score", "--device", CPU, "--model", "run/discriminator", "--english"]);
    succeeds(&english);
    let lines = text(&english.stdout);
    assert_eq!(lines.lines().count(), 14, "a heading, twelve groups and all of them: {lines}");
    assert!(lines.starts_with("600 pairs by the discriminator; 0.5 is chance\n"), "{lines}");
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let directory = directory();
    let at = directory.path();
    trained(at);
    let score = |more: &[&str]| electra(at, &[&["score", "--device", CPU, "--model", "run/generator"], more].concat());
    succeeds(&score(&["the water"]));
    refused(&score(&[]), &["expected a text, --input, --pairs or --english"]);
    refused(&score(&[" "]), &["has no tokens"]);
    refused(&score(&[&"the water ".repeat(30)]), &["the model takes at most 30"]);
    std::fs::write(at.join("pairs"), "one field\n").unwrap();
    refused(&score(&["--pairs", "pairs"]), &["pairs:1:", "1 fields between tabs"]);
    refused(&score(&["--pairs", "none"]), &["none"]);
    std::fs::write(at.join("pairs"), format!("a\tb\n{}\tb\n", "the water ".repeat(30))).unwrap();
    refused(&score(&["--pairs", "pairs"]), &["pairs:2: the text has", "the model takes at most 30"]);
    let config = at.join("run/generator/config.json");
    let other = std::fs::read_to_string(&config).unwrap().replace("ElectraForMaskedLM", "BertModel");
    std::fs::write(&config, other).unwrap();
    refused(&score(&["the water"]), &["config.json", "\"BertModel\"; expected ElectraForMaskedLM"]);
}

/// A validation's pairs are those of `electra score` on what is exported after it.
#[test]
fn pairs_are_a_metric_of_a_validation() {
    let directory = directory();
    let at = directory.path();
    let rows =
        ["the water of the stone\tstone the of water the", "a stone\tstone a stone", "the sea waits\tsea the waits"];
    std::fs::write(at.join("pairs.tsv"), rows.join("\n")).unwrap();
    let set = ["training.steps=20", "training.validate_every=10", "evaluation.pairs=pairs.tsv"];
    succeeds(&pretrain(at, &[&["--output", "run", "--set"][..], &set].concat()));
    let records = std::fs::read_to_string(at.join("run/metrics.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (valid, train): (Vec<_>, Vec<_>) = records.iter().partition(|record| record["split"] == "valid");
    assert_eq!(valid.len(), 3);
    assert!(train.iter().all(|record| record.get("pairs_generator").is_none()));
    for network in ["discriminator", "generator"] {
        let model = format!("run/{network}");
        let judged = electra(at, &["score", "--device", CPU, "--model", &model, "--pairs", "pairs.tsv", "--json"]);
        let judged: serde_json::Value = serde_json::from_slice(&judged.stdout).unwrap();
        assert_eq!(valid[2][format!("pairs_{network}")], judged["accuracy"], "{network}");
        assert!(valid.iter().all(|record| record[format!("pairs_{network}")].is_f64()), "{network}");
    }
    let missing = pretrain(at, &["--output", "other", "--set", "evaluation.pairs=none.tsv"]);
    refused(&missing, &["none.tsv"]);
    std::fs::write(at.join("long.tsv"), format!("good\tbad\n\na\tb\n{}\tb\n", "the water ".repeat(30))).unwrap();
    let long = pretrain(at, &["--output", "other", "--set", "evaluation.pairs=long.tsv"]);
    refused(&long, &["long.tsv:4: the text has", "the model takes at most 30"]);
    let without = pretrain(at, &["--output", "other", "--set", "evaluation.pairs=english", "objective.kind=mlm"]);
    refused(&without, &["evaluation.pairs: objective.kind trains no head that judges sentences"]);
    assert!(!at.join("other").exists(), "nothing is begun");
    refused(
        &pretrain(at, &["--output", "other", "--set", "training.keep_best=pairs_generator"]),
        &["training.keep_best: no pairs are judged; expected evaluation.pairs"],
    );
}

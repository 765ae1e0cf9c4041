//! `detect` and `fill` on a model that `pretrain` has just written, and on models of the reference.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, refused, succeeds, text};
use electra_burn::predict::{Detector, Filler};
use std::path::Path;

fn json(directory: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = electra(directory, arguments);
    succeeds(&output);
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn a_run_answers() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));

    let said = "The sea, the river and the town.";
    let found = json(at, &["detect", "--json", "--device", CPU, "--model", "run/discriminator", said]);
    assert_eq!(found["text"], said);
    let tokens = found["tokens"].as_array().unwrap();
    let mut end = 0;
    for token in tokens {
        let (start, stop) = (token["start"].as_u64().unwrap() as usize, token["end"].as_u64().unwrap() as usize);
        let word = token["token"].as_str().unwrap().trim_start_matches("##");
        assert_eq!(said[start..stop].to_lowercase(), word, "the places are those of the text");
        assert!(start >= end);
        end = stop;
        let replaced = token["replaced"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&replaced), "{token}");
    }
    assert_eq!(end, said.len(), "without special tokens, and to the end");

    let lines = electra(at, &["detect", "--device", CPU, "--model", "run/discriminator", said]);
    succeeds(&lines);
    assert_eq!(text(&lines.stdout).lines().count(), tokens.len(), "a row a token");

    let fill = ["fill", "--json", "--device", CPU, "--top-k", "7", "--model", "run/generator"];
    let found = json(at, &[&fill[..], &["The [MASK] of the [MASK]."]].concat());
    let masks = found["masks"].as_array().unwrap();
    assert_eq!(masks.len(), 2);
    for mask in masks {
        let chances: Vec<f64> = mask.as_array().unwrap().iter().map(|f| f["probability"].as_f64().unwrap()).collect();
        assert_eq!(chances.len(), 7);
        assert!(chances.windows(2).all(|w| w[0] >= w[1]), "likeliest first: {chances:?}");
        assert!(chances.iter().sum::<f64>() <= 1.0);
    }
    assert!(masks[0] != masks[1], "the two places differ");
}

/// A text longer than the model is read in windows; every token gets its verdict.
#[test]
fn long_texts_are_read_in_windows() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    let device = crate::common::device(CPU);
    let detector = Detector::open(&at.join("run/discriminator"), &device).unwrap();
    let long = "the sea and the river ".repeat(20);
    let verdicts = detector.detect(&long).unwrap();
    assert!(verdicts.len() > 60, "{} tokens", verdicts.len());
    assert_eq!(verdicts.last().unwrap().piece.end, long.trim_end().len());
    // The first window of 30 tokens is judged as it is alone.
    let end = verdicts[29].piece.end;
    let alone = detector.detect(&long[..end]).unwrap();
    for (a, b) in alone.iter().zip(&verdicts) {
        assert!((a.replaced - b.replaced).abs() < 1e-6);
    }
    assert_eq!(detector.detect("").unwrap(), []);

    let filler = Filler::open(&at.join("run/generator"), &device).unwrap();
    let error = filler.fill(&format!("{long}[MASK]"), 1).unwrap_err();
    assert!(error.to_string().contains("the model takes at most 30"), "{error}");
}

#[test]
fn wrong_models_and_texts_are_refused() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    refused(&electra(at, &["detect", "--model", "nowhere", "x"]), &["nowhere", "there is no such directory"]);
    refused(&electra(at, &["detect", "--model", "run/generator", "x"]), &["run/generator", "ElectraForPreTraining"]);
    refused(&electra(at, &["fill", "--model", "run/generator", "no mask"]), &["no [MASK]"]);
    refused(&electra(at, &["detect", "--model", "run/discriminator", "--file", "no.txt"]), &["no.txt"]);

    let config = at.join("run/discriminator/config.json");
    let narrow = std::fs::read_to_string(&config).unwrap().replace("\"vocab_size\": 300", "\"vocab_size\": 200");
    std::fs::write(&config, narrow).unwrap();
    refused(&electra(at, &["detect", "--model", "run/discriminator", "x"]), &["300 tokens", "200 rows"]);

    std::fs::write(at.join("run/generator/tokenizer.json"), "{").unwrap();
    refused(&electra(at, &["fill", "--model", "run/generator", "[MASK]"]), &["tokenizer.json"]);
}

//! Several devices instead of one: the same run.

use crate::common::program::{MICRO, directory, electra, overridden, records, refused, succeeds};
use std::path::Path;

/// Nothing that differs between devices.
const NO_DROPOUT: [&str; 3] =
    ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0", "training.precision=\"f32\""];

/// Pretrains with the micro configuration on `device` into a directory of that name.
fn run(at: &Path, device: &str, output: &str, set: &[&str]) {
    let mut arguments = vec!["pretrain", "--device", device, "--output", output, "--set"];
    arguments.extend(MICRO.into_iter().filter(|assignment| !overridden(assignment, set)));
    arguments.extend(set);
    succeeds(&electra(at, &arguments));
}

/// The losses of every step and validation, relative where they are above 1.
fn agree(one: &Path, other: &Path, tolerance: f64) {
    let (one, other) = (records(one), records(other));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!((&one["step"], &one["split"]), (&other["step"], &other["split"]));
        for key in ["mlm_loss", "disc_loss", "replaced", "grad_norm"] {
            let (one, other) = (one[key].as_f64(), other[key].as_f64());
            assert_eq!(one.is_some(), other.is_some());
            let (one, other) = (one.unwrap_or(0.0), other.unwrap_or(0.0));
            assert!((one - other).abs() <= tolerance * one.abs().max(1.0), "{key}: {one} and {other}");
        }
    }
}

/// Batches with padding, that the devices cannot share evenly, in several parts; and with fewer sequences than devices.
#[test]
fn shares_come_to_what_one_device_does() {
    let directory = directory();
    let at = directory.path();
    for (batch, accumulation, devices) in [
        ("data.batch_size=4", "training.accumulation=1", "flex,flex"),
        ("data.batch_size=5", "training.accumulation=2", "flex,flex,flex"),
        ("data.batch_size=1", "training.accumulation=2", "flex,flex"),
        ("data.batch_size=3", "training.accumulation=1", "flex,ndarray"),
    ] {
        let mut set = vec![batch, accumulation, "data.packing=documents", "training.steps=50", "training.log_every=1"];
        set.extend(NO_DROPOUT);
        let (whole, shared) = (format!("{batch}-whole"), format!("{batch}-{devices}"));
        run(at, "flex", &whole, &set);
        run(at, devices, &shared, &set);
        agree(&at.join(whole), &at.join(shared), 1e-4);
    }
}

/// Each device has masks of its own, which do not depend on which device was first.
#[test]
fn a_shared_run_goes_on_bit_for_bit_with_dropout() {
    let directory = directory();
    let at = directory.path();
    let set = ["training.steps=20", "training.checkpoint_every=10", "training.keep_checkpoints=2"];
    run(at, "flex,flex", "whole", &set);
    run(at, "flex,flex", "parts", &set);
    std::fs::remove_dir_all(at.join("parts/checkpoints/step-0000020")).unwrap();
    succeeds(&electra(at, &["pretrain", "--device", "flex,flex", "--resume", "parts"]));
    let weights = |run: &str| std::fs::read(at.join(run).join("discriminator/model.safetensors")).unwrap();
    assert!(weights("whole") == weights("parts"), "the weights differ");
    // On one device the masks are others.
    run(at, "flex", "alone", &set);
    assert!(weights("whole") != weights("alone"));
}

/// A task's batches are shared too.
#[test]
fn fine_tuning_is_shared_as_well() {
    let directory = directory();
    let at = directory.path();
    run(at, "flex", "encoder", &["training.steps=2"]);
    let words = ["river", "castle", "garden", "winter", "letter", "music", "bridge"];
    let rows: String = (0..60)
        .map(|row| {
            let text: Vec<&str> = (0..=row % 9).map(|word| words[(row * 5 + word * 3) % words.len()]).collect();
            format!("{},{}\n", text.join(" "), if text.contains(&"castle") { "yes" } else { "no" })
        })
        .collect();
    for name in ["train.csv", "dev.csv"] {
        std::fs::write(at.join(name), format!("text,label\n{rows}")).unwrap();
    }
    for device in ["flex", "flex,flex"] {
        let arguments: [&[&str]; 2] = [
            &["finetune", "--task", "classification", "--model", "encoder/discriminator", "--train", "train.csv"],
            &["--dev", "dev.csv", "--batch-size", "7", "--epochs", "3", "--set", "dropout=0"],
        ];
        succeeds(&electra(at, &[arguments[0], arguments[1], &["--device", device, "--output", device]].concat()));
    }
    let losses = |run: &str| records(&at.join(run)).iter().map(|r| r["loss"].as_f64().unwrap()).collect::<Vec<_>>();
    let (one, two) = (losses("flex"), losses("flex,flex"));
    assert!(one.len() > 2 && one.len() == two.len());
    for (one, two) in one.iter().zip(&two) {
        assert!((one - two).abs() < 1e-4, "{one} and {two}");
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let directory = directory();
    let pretrain = |device: &str| electra(directory.path(), &["pretrain", "--device", device]);
    refused(&pretrain("flex,quantum"), &["there is no device \"quantum\""]);
    refused(&pretrain("flex,"), &["there is no device \"\""]);
}

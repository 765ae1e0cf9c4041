//! `import`, and beginning from a checkpoint.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, read, records, refused, succeeds, text};
use std::path::{Path, PathBuf};

fn fixture(model: &str) -> String {
    let path =
        std::path::absolute(Path::new("tests/fixtures/parity/forward").join(model)).expect("a working directory");
    path.to_str().expect("the path is UTF-8").to_owned()
}

fn config(directory: &Path) -> serde_json::Value {
    serde_json::from_str(&read(directory.join("config.json"))).unwrap()
}

/// Tensors by name, whatever their order in the file.
fn tensors(path: &Path) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> =
        file.iter().map(|(name, t)| (name.to_owned(), t.shape().to_vec(), t.data().to_vec())).collect();
    all.sort();
    all
}

#[test]
fn every_class_is_imported_bit_for_bit() {
    let directory = directory();
    for (model, class) in [
        ("discriminator", "ElectraForPreTraining"),
        ("generator", "ElectraForMaskedLM"),
        ("generator_proj", "ElectraForMaskedLM"),
        ("sequence_classification", "ElectraForSequenceClassification"),
        ("token_classification", "ElectraForTokenClassification"),
        ("question_answering", "ElectraForQuestionAnswering"),
    ] {
        let output = electra(directory.path(), &["import", &fixture(model), "--output", model]);
        succeeds(&output);
        let said = text(&output.stdout);
        assert!(said.contains(class) && !said.contains("missing") && !said.contains("ignored"), "{said}");
        let (before, after) = (PathBuf::from(fixture(model)), directory.path().join(model));
        assert!(tensors(&before.join("model.safetensors")) == tensors(&after.join("model.safetensors")), "{model}");
        assert_eq!(config(&before), config(&after), "no field is lost and none is added");
    }
    refused(&electra(directory.path(), &["import", &fixture("generator"), "--output", "generator"]), &["it exists"]);
}

/// A BERT, by its names and its configuration: the encoder is taken over, the pooler is ignored.
#[test]
fn a_bert_becomes_an_electra() {
    let directory = directory();
    let source = directory.path().join("bert");
    std::fs::create_dir(&source).unwrap();
    // The generator whose embeddings are as wide as its layers, under BERT's names.
    let mut all = tensors(&Path::new(&fixture("generator")).join("model.safetensors"));
    all.retain(|t| t.0.starts_with("electra."));
    let count = all.len();
    all.iter_mut().for_each(|t| t.0 = t.0.replace("electra.", "bert."));
    all.push(("bert.pooler.dense.bias".into(), vec![32], vec![0; 128]));
    all.push(("bert.embeddings.position_ids".into(), vec![1, 64], vec![0; 256]));
    let views = all.iter().map(|(name, shape, bytes)| {
        (name.clone(), safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(source.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let mut json = config(Path::new(&fixture("generator")));
    json.as_object_mut().unwrap().remove("embedding_size");
    json["architectures"] = serde_json::json!(["BertForMaskedLM"]);
    json["model_type"] = "bert".into();
    json["a_field_of_their_own"] = 7.into();
    std::fs::write(source.join("config.json"), json.to_string()).unwrap();

    let output = electra(directory.path(), &["import", "bert", "--output", "electra"]);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("ElectraModel") && said.contains(&format!("loaded: {count} tensors")), "{said}");
    assert!(said.contains("pooler.dense.bias") && said.contains("position_ids"), "{said}");
    let made = config(&directory.path().join("electra"));
    assert_eq!((&made["model_type"], &made["embedding_size"]), (&"electra".into(), &32.into()));
    assert_eq!(made["a_field_of_their_own"], 7, "unknown fields survive");
}

#[test]
fn what_cannot_be_imported_is_refused() {
    let directory = directory();
    let at = directory.path();
    refused(&electra(at, &["import", "nowhere", "--output", "x"]), &["config.json"]);
    std::fs::create_dir(at.join("gpt")).unwrap();
    let mut json = config(Path::new(&fixture("discriminator")));
    json["architectures"] = serde_json::json!(["GPT2LMHeadModel"]);
    std::fs::write(at.join("gpt/config.json"), json.to_string()).unwrap();
    refused(&electra(at, &["import", "gpt", "--output", "x"]), &["GPT2LMHeadModel", "ElectraForPreTraining"]);
    assert!(!at.join("x").exists());
}

/// A run that begins from another's models begins where that one ended: the same held-out text gives the same metrics.
#[test]
fn pretraining_goes_on_from_a_pair() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "first"]));
    let init = ["--init-discriminator", "first/discriminator", "--init-generator", "first/generator"];
    succeeds(&pretrain(at, &[&init[..], &["--output", "second"]].concat()));

    let last = records(&at.join("first")).pop().unwrap();
    let first = records(&at.join("second")).remove(0);
    assert_eq!((&last["split"], &first["split"], &first["step"]), (&"valid".into(), &"valid".into(), &0.into()));
    for metric in ["mlm_loss", "mlm_accuracy", "disc_loss", "disc_auc", "replaced"] {
        let (a, b) = (last[metric].as_f64().unwrap(), first[metric].as_f64().unwrap());
        assert!((a - b).abs() < 1e-6, "{metric}: {a} at the end, {b} at the start");
    }

    // The architecture is the checkpoint's, whatever the configuration says.
    succeeds(&pretrain(at, &[&init[..2], &["--output", "third", "--set", "model.hidden_size=64"]].concat()));
    assert!(read(at.join("third/config.toml")).contains("hidden_size = 32"));

    refused(&pretrain(at, &["--init-discriminator", "first/generator", "--output", "x"]), &["ElectraForPreTraining"]);
    refused(&pretrain(at, &["--init-discriminator", "nowhere", "--output", "x"]), &["nowhere/config.json"]);
    let strangers = ["--init-discriminator", "first/discriminator", "--init-generator", &fixture("generator")];
    refused(&pretrain(at, &[&strangers[..], &["--output", "x"]].concat()), &["init.generator", "vocabulary"]);
}

/// What `export` makes of the last checkpoint is what the run itself exported; an earlier one differs.
#[test]
fn checkpoints_are_exported() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.checkpoint_every=10"]));
    succeeds(&electra(at, &["export", "run"]));
    succeeds(&electra(at, &["export", "run", "--checkpoint", "10", "--output", "early"]));
    for network in ["discriminator", "generator"] {
        let of = |place: &str| at.join(place).join(network);
        let weights = |place: &str| tensors(&of(place).join("model.safetensors"));
        assert!(weights("run/export-0000020") == weights("run"), "{network}: the last checkpoint is what was exported");
        assert!(weights("early") != weights("run"), "{network}: ten steps make a difference");
        for file in ["config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json"] {
            assert_eq!(read(of("run/export-0000020").join(file)), read(of("run").join(file)), "{network}/{file}");
        }
        assert!(read(of("early").join("README.md")).contains("| steps | 10 of 20 |"));
    }
    refused(&electra(at, &["export", "run", "--checkpoint", "15"]), &["expected one of these steps: 10, 20"]);
    refused(&electra(at, &["export", "run"]), &["it exists"]);
    refused(&electra(at, &["export", "nowhere"]), &["nowhere/config.toml"]);
}

#[test]
fn a_directory_is_inspected() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    let output = electra(at, &["inspect", "run/discriminator"]);
    succeeds(&output);
    let said = text(&output.stdout);
    // Words, positions and types of 16, LayerNorm; the head is 32 x 32 + 32 and 32 + 1.
    let embeddings = (300 + 32 + 2) * 16 + 32;
    assert!(said.starts_with("ElectraForPreTraining"), "{said}");
    for part in [&format!("{},{:03}", embeddings / 1000, embeddings % 1000), "1,089", "300 tokens", "[MASK] 4"] {
        assert!(said.contains(part), "expected {part} in\n{said}");
    }
    assert!(said.contains("tensors F32") && said.contains("electra_burn_steps: 2"), "{said}");
    std::fs::write(at.join("run/discriminator/model.safetensors"), [0xff; 20]).unwrap();
    refused(&electra(at, &["inspect", "run/discriminator"]), &["model.safetensors", "header"]);
}

/// The table tells the truth: only picked places change, and the losses are those of training.
#[test]
fn a_text_is_corrupted() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    let said = "the sea and the river and the town and";
    let play = |seed: &str| {
        let output = electra(at, &["corrupt", "run", said, "--json", "--device", CPU, "--seed", seed]);
        succeeds(&output);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let (found, again, other) = (play("1"), play("1"), play("2"));
    assert_eq!(found, again);
    assert_ne!(found, other);
    let tokens = found["tokens"].as_array().unwrap();
    let picked = tokens.iter().filter(|t| t["picked"] == true).count();
    assert_eq!(picked, ((tokens.len() + 2) as f64 * 0.15).round() as usize);
    for token in tokens {
        assert_eq!(token["replaced"] == true, token["token"] != token["original"], "{token}");
        assert!(token["picked"] == true || token["replaced"] == false, "{token}");
    }
    // Two steps after the start the losses are still near ln 300 and ln 2.
    assert!((found["losses"]["mlm_loss"].as_f64().unwrap() - 300f64.ln()).abs() < 0.5, "{found}");
    assert!((found["losses"]["disc_loss"].as_f64().unwrap() - 2f64.ln()).abs() < 0.1, "{found}");
    let lines = electra(at, &["corrupt", "run", said, "--device", CPU]);
    assert!(text(&lines.stdout).contains("discriminator loss"));
    refused(&electra(at, &["corrupt", "run", "", "--device", CPU]), &["0 tokens"]);
    refused(&electra(at, &["corrupt", "nowhere", said]), &["nowhere/discriminator/config.json"]);
}

//! The program as a user runs it: what a run leaves behind, and what wrong input gets.

use crate::common::backends::{Backend, CPU};
use crate::common::program::{MICRO, directory, electra, overridden, pretrain, read, records, refused, succeeds, text};
use std::path::{Path, PathBuf};

/// Every file below `path` with its contents.
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path))
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()))
        }
    }
    all.sort();
    all
}

/// Names and shapes of the tensors in a safetensors file.
fn tensors(path: &Path) -> Vec<(String, Vec<usize>)> {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(header["__metadata__"]["format"], "pt");
    let mut all: Vec<_> = header
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, tensor)| {
            assert_eq!(tensor["dtype"], "F32");
            (name.clone(), serde_json::from_value(tensor["shape"].clone()).unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_run_leaves_what_it_promises() {
    let directory = directory();
    let output = pretrain(directory.path(), &[]);
    succeeds(&output);
    let run = directory.path().join("runs/demo-1");

    let records = records(&run);
    let of = |split: &str| -> Vec<u64> {
        records.iter().filter(|r| r["split"] == split).map(|r| r["step"].as_u64().unwrap()).collect()
    };
    assert_eq!(of("train"), [5, 10, 15, 20]);
    assert_eq!(of("valid"), [0, 10, 20]);
    for record in &records {
        for key in [
            "mlm_loss",
            "mlm_accuracy",
            "disc_loss",
            "disc_entropy",
            "disc_gain",
            "disc_gain_error",
            "disc_gain_floor",
            "disc_accuracy",
            "disc_precision",
            "disc_recall",
            "disc_auc",
            "replaced",
        ] {
            assert!(record[key].is_number(), "{key} in {record}");
        }
        for key in ["learning_rate", "grad_norm", "tokens_per_second"] {
            assert_eq!(record[key].is_number(), record["split"] == "train", "{key} in {record}");
        }
    }
    // Before the first step the losses are those of ignorance: ln 300 and ln 2.
    assert!((records[0]["mlm_loss"].as_f64().unwrap() - 300f64.ln()).abs() < 0.1, "{}", records[0]);
    assert!((records[0]["disc_loss"].as_f64().unwrap() - 2f64.ln()).abs() < 0.05, "{}", records[0]);
    // The rate of step 20 of 20 with 2 of warm-up: a 18th of the peak.
    let rate = records.iter().rfind(|r| r["split"] == "train").unwrap()["learning_rate"].as_f64().unwrap();
    assert!((rate - 3e-3 / 18.0).abs() < 1e-9, "{rate}");

    let lines = text(&output.stdout);
    assert_eq!(lines.lines().filter(|l| l.starts_with("train ") && l.contains("tokens/s")).count(), 4, "{lines}");
    assert_eq!(lines.lines().filter(|l| l.starts_with("valid ") && l.contains("entropy")).count(), 3, "{lines}");

    for part in ["model.bpk", "optimizer.bpk", "scheduler.bpk", "state.json"] {
        assert!(run.join("checkpoints/step-0000020").join(part).is_file(), "{part}");
    }
    for network in ["discriminator", "generator"] {
        let model = run.join(network);
        assert_eq!(read(model.join("vocab.txt")).lines().count(), 300);
        let config: serde_json::Value = serde_json::from_str(&read(model.join("config.json"))).unwrap();
        assert_eq!((&config["model_type"], &config["vocab_size"]), (&"electra".into(), &300.into()));
        let tokenizer: serde_json::Value = serde_json::from_str(&read(model.join("tokenizer.json"))).unwrap();
        assert_eq!(tokenizer["model"]["type"], "WordPiece");
        let last = format!("{:.4}", records.last().unwrap()["mlm_loss"].as_f64().unwrap());
        assert!(read(model.join("README.md")).contains(&last), "the card tells the run's own figures");
    }
    let again = electra_burn::config::load(&electra_burn::config::Source {
        file: Some(run.join("config.toml")),
        ..Default::default()
    })
    .unwrap();
    assert_eq!(again.to_toml(), read(run.join("config.toml")), "the written configuration is complete");
    assert_eq!(again.schedule.warmup_steps, Some(2));
}

/// The keys and shapes that `transformers` expects, for a model with a projection and two layers.
#[test]
fn exported_models_have_hugging_faces_keys() {
    let directory = directory();
    succeeds(&pretrain(directory.path(), &["--output", "run", "--set", "training.steps=2"]));
    let (vocab, embedding, positions) = (300, 16, 32);
    for (network, hidden, inner) in [("discriminator", 32, 64), ("generator", 8, 16)] {
        let mut expected: Vec<(String, Vec<usize>)> = Vec::new();
        let mut add = |name: &str, shape: &[usize]| expected.push((name.to_owned(), shape.to_vec()));
        add("electra.embeddings.word_embeddings.weight", &[vocab, embedding]);
        add("electra.embeddings.position_embeddings.weight", &[positions, embedding]);
        add("electra.embeddings.token_type_embeddings.weight", &[2, embedding]);
        let mut pair = |name: &str, shape: &[usize]| {
            add(&format!("{name}.weight"), shape);
            add(&format!("{name}.bias"), &shape[..1]);
        };
        pair("electra.embeddings.LayerNorm", &[embedding]);
        pair("electra.embeddings_project", &[hidden, embedding]);
        for layer in 0..2 {
            let mut part = |name: &str, shape: &[usize]| pair(&format!("electra.encoder.layer.{layer}.{name}"), shape);
            for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                part(name, &[hidden, hidden]);
            }
            part("attention.output.LayerNorm", &[hidden]);
            part("intermediate.dense", &[inner, hidden]);
            part("output.dense", &[hidden, inner]);
            part("output.LayerNorm", &[hidden]);
        }
        if network == "generator" {
            pair("generator_predictions.dense", &[embedding, hidden]);
            pair("generator_predictions.LayerNorm", &[embedding]);
            // The weight is tied to the word table, so the file holds the bias alone.
            add("generator_lm_head.bias", &[vocab]);
        } else {
            pair("discriminator_predictions.dense", &[hidden, hidden]);
            pair("discriminator_predictions.dense_prediction", &[1, hidden]);
        }
        expected.sort();
        assert_eq!(tensors(&directory.path().join("run").join(network).join("model.safetensors")), expected);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let directory = directory();
    let run = |name: &str, seed: &str| {
        succeeds(&pretrain(directory.path(), &["--output", name, "--set", seed]));
        let run = directory.path().join(name);
        let mut records = records(&run);
        // The only figure that a clock has a hand in.
        records.iter_mut().for_each(|r| _ = r.as_object_mut().unwrap().remove("tokens_per_second"));
        (records, std::fs::read(run.join("discriminator/model.safetensors")).unwrap())
    };
    let (first, second, other) = (run("a", "seed=1"), run("b", "seed=1"), run("c", "seed=2"));
    assert_eq!(first.0, second.0);
    assert!(first.1 == second.1, "the weights differ");
    assert_ne!(first.0, other.0);
}

#[test]
fn accumulation_counts_the_tokens_of_all_batches() {
    let directory = directory();
    let set = ["--output", "run", "--set", "training.accumulation=3", "training.steps=2", "data.batch_size=2"];
    succeeds(&pretrain(directory.path(), &set));
    let card = read(directory.path().join("run/discriminator/README.md"));
    assert!(card.contains(&format!("| tokens seen | {}, padding not counted |", 2 * 3 * 2 * 16)), "{card}");
}

#[test]
fn a_missing_corpus_is_named() {
    let directory = directory();
    refused(&pretrain(directory.path(), &["--corpus", "no.txt"]), &["no.txt", "no such file"]);
    assert!(!directory.path().join("runs/tiny-1").exists(), "a refused run leaves nothing behind");
}

#[test]
fn an_empty_corpus_is_named() {
    let directory = directory();
    std::fs::write(directory.path().join("empty.txt"), " \n\n").unwrap();
    refused(&pretrain(directory.path(), &["--corpus", "empty.txt"]), &["empty.txt", "holds no text"]);
}

#[test]
fn a_corpus_that_is_not_utf8_is_named_with_its_line() {
    let directory = directory();
    std::fs::write(directory.path().join("latin.txt"), b"fine\nalso fine\ncaf\xe9\n").unwrap();
    refused(&pretrain(directory.path(), &["--corpus", "latin.txt"]), &["latin.txt:3:", "not UTF-8"]);
}

#[test]
fn a_corpus_shorter_than_one_sequence_is_refused() {
    let directory = directory();
    std::fs::write(directory.path().join("short.txt"), "ab ab\n\nab\n").unwrap();
    let output = pretrain(directory.path(), &["--corpus", "short.txt", "--set", "model.vocab_size=8"]);
    refused(&output, &["data.sequence_length", "fewer than the 14 that one sequence needs"]);
    assert!(!directory.path().join("runs/tiny-1").exists());
}

#[test]
fn a_vocabulary_larger_than_the_corpus_supports_is_refused() {
    let directory = directory();
    std::fs::write(directory.path().join("few.txt"), "one two three\n\nfour five six\n").unwrap();
    let output = pretrain(directory.path(), &["--corpus", "few.txt"]);
    refused(&output, &["model.vocab_size", "the corpus supports", "fewer than 300"]);
}

/// Below a file no directory can be made, whoever asks (permissions would not stop the superuser).
#[test]
fn an_output_that_cannot_be_written_is_refused() {
    let directory = directory();
    std::fs::write(directory.path().join("file"), "mine").unwrap();
    refused(&pretrain(directory.path(), &["--output", "file/run"]), &["file/run", "output directory"]);
    refused(&pretrain(directory.path(), &["--output", "file"]), &["file", "output directory"]);
    assert_eq!(read(directory.path().join("file")), "mine");
}

#[test]
fn an_output_that_holds_a_run_is_refused_and_untouched() {
    let directory = directory();
    succeeds(&pretrain(directory.path(), &["--output", "run", "--set", "training.steps=2"]));
    let before = contents(directory.path());
    refused(&pretrain(directory.path(), &["--output", "run"]), &["run", "not empty"]);
    assert!(contents(directory.path()) == before, "something in the first run has changed");
}

#[test]
fn configuration_errors_name_the_key() {
    let directory = directory();
    let at = directory.path();
    refused(&electra(at, &["pretrain", "--set", "model.hiden_size=3"]), &["model.hiden_size=3", "hiden_size"]);
    refused(&electra(at, &["pretrain", "--set", "training.steps=many"]), &["training.steps=many", "steps", "many"]);
    refused(&electra(at, &["pretrain", "--set", "training.steps"]), &["expected key.path=value"]);
    refused(
        &electra(at, &["pretrain", "--preset", "huge"]),
        &["huge", "demo, tiny, modern-small, modern-base, small, base, large"],
    );
    // All problems at once.
    let several = ["pretrain", "--set", "model.num_attention_heads=3", "data.sequence_length=600", "training.steps=0"];
    refused(
        &electra(at, &several),
        &[
            "model.hidden_size: 128 is not divisible by model.num_attention_heads, 3",
            "data.sequence_length: 600 is longer than model.max_position_embeddings, 512",
            "training.steps: expected 1 or more",
        ],
    );
    std::fs::write(at.join("bad.toml"), "[training]\nsteps = 10\nsteps = 20\n").unwrap();
    refused(&electra(at, &["pretrain", "bad.toml"]), &["bad.toml", "line 3", "duplicate key"]);
    std::fs::write(at.join("unknown.toml"), "[modle]\n").unwrap();
    refused(&electra(at, &["pretrain", "unknown.toml"]), &["unknown.toml", "modle"]);
    assert!(!at.join("runs").exists());
}

#[test]
fn devices_are_listed_and_wrong_ones_refused() {
    let directory = directory();
    let output = electra(directory.path(), &["devices"]);
    succeeds(&output);
    let list = text(&output.stdout);
    for name in electra_burn::device::compiled() {
        assert!(list.contains(name), "{name} in\n{list}");
    }
    #[cfg(not(feature = "rocm"))]
    assert!(list.contains("not compiled in: cargo build --features rocm"), "{list}");
    #[cfg(not(any(feature = "wgpu", feature = "vulkan", feature = "metal", feature = "webgpu", feature = "cuda")))]
    assert!(list.contains("`--device auto` takes flex: no backend for GPUs is compiled in"), "{list}");
    refused(
        &electra(directory.path(), &["pretrain", "--device", "abacus"]),
        &["abacus", "available here: auto", "flex"],
    );
    #[cfg(not(feature = "rocm"))]
    refused(
        &electra(directory.path(), &["pretrain", "--device", "rocm"]),
        &["not compiled in", "--features rocm", "flex"],
    );
    refused(&electra(directory.path(), &["pretrain", "--device", "flex:7"]), &["flex:7", "1 flex device"]);
    refused(&electra(directory.path(), &["pretrain", "--device", "flex:x"]), &["\"x\" is not an index"]);
}

crate::on_every_backend!(a_device_that_is_checked_trains_as_flex_does);
crate::on_every_cpu_backend!(ten_steps_agree);

fn a_device_that_is_checked_trains_as_flex_does(backend: &Backend) {
    let directory = directory();
    let check = [&["devices", "--check"], &backend.arguments.split(' ').collect::<Vec<_>>()[..]].concat();
    let output = electra(directory.path(), &check);
    succeeds(&output);
    let lines = text(&output.stdout);
    let agree = lines.lines().filter(|line| line.contains("agrees with flex")).count();
    // It is not compared with itself, but its portable kernels are with the fused ones.
    assert_eq!(agree, usize::from(backend.arguments != "flex"), "{lines}");
}

fn ten_steps_agree(backend: &Backend) {
    let directory = directory();
    let run = |device: &str, output: &str| {
        let precision = "training.precision=\"f32\"";
        let set =
            ["training.steps=10", "model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0", precision];
        let mut arguments = vec!["pretrain", "--output", output, "--device"];
        arguments.extend(device.split(' '));
        arguments.push("--set");
        arguments.extend(MICRO.into_iter().filter(|s| !overridden(s, &set)));
        arguments.extend(set);
        succeeds(&electra(directory.path(), &arguments));
        records(&directory.path().join(output)).last().unwrap()["mlm_loss"].as_f64().unwrap()
    };
    let (found, expected) = (run(backend.arguments, "found"), run(CPU, "expected"));
    let tolerance = backend.tolerance.trajectory * expected.max(1.0);
    assert!((found - expected).abs() < tolerance, "MLM loss {found} on {}, {expected} on {CPU}", backend.name);
}

#[test]
fn bench_tells_where_the_time_of_a_step_goes() {
    let directory = directory();
    let small = ["bench", "--device", CPU, "--preset", "demo", "--batch", "3", "--sequence-length", "16"];
    let short = ["--steps", "2", "--warmup", "1"];
    for more in [vec!["--json"], vec!["--json", "--portable"], vec!["--json", "--padding", "0.4", "--trace", "trace"]] {
        let output = electra(directory.path(), &[&small[..], &short, &more].concat());
        succeeds(&output);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for key in ["tokens_per_second", "step_seconds", "gflops", "matrix_peak_gflops"] {
            assert!(found[key].as_f64().unwrap() > 0.0, "{key} in {found}");
        }
        assert!(found["peak_rss_mib"].is_number() || cfg!(not(target_os = "linux")), "{found}");
        let parts = found["breakdown"].as_object().unwrap();
        let names =
            ["backward", "data", "discriminator_forward", "generator_forward", "metrics", "optimizer", "sampling"];
        assert_eq!(parts.keys().collect::<Vec<_>>(), names);
        assert!(parts.values().map(|seconds| seconds.as_f64().unwrap()).sum::<f64>() > 0.0, "{found}");
    }
    assert_eq!(read(directory.path().join("trace")).lines().count(), 2, "a line a step");
    let table = electra(directory.path(), &[&small[..], &short].concat());
    succeeds(&table);
    for part in ["fused kernels", "tokens/s", "discriminator forward"] {
        assert!(text(&table.stdout).contains(part), "{part} in {}", text(&table.stdout));
    }
    for (wrong, expected) in [
        (["--steps", "0"], "0 steps time nothing; expected 1 or more"),
        (["--padding", "0.7"], "a share of padding of 0.7; expected 0 to 0.5"),
        (["--set", "training.precision=\"f16\""], "training.precision: f16 on flex"),
    ] {
        refused(&electra(directory.path(), &[&small[..], &wrong].concat()), &[expected]);
    }
}

/// Variables of other programs may hold anything; ours must be text.
#[cfg(unix)]
#[test]
fn an_environment_that_is_not_utf8_is_no_panic() {
    use std::os::unix::ffi::OsStringExt;
    let directory = directory();
    let dry = |name: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_electra"));
        command.current_dir(directory.path()).env(name, std::ffi::OsString::from_vec(vec![0xff]));
        command.args(["pretrain", "--device", CPU, "--dry-run"]).output().unwrap()
    };
    succeeds(&dry("SOMEBODY_ELSE"));
    refused(&dry("ELECTRA_TRAINING__STEPS"), &["ELECTRA_TRAINING__STEPS is not UTF-8; expected text"]);
}

#[test]
fn usual_keys_have_options_of_their_own() {
    let directory = directory();
    let options =
        ["--steps", "3", "--batch-size", "2", "--sequence-length", "16", "--learning-rate", "2e-4", "--seed", "7"];
    let mut all = vec!["pretrain", "--device", CPU, "--no-tui", "--output", "run", "--precision", "f32"];
    all.extend(options);
    let names = ["training.steps", "data.batch_size", "data.sequence_length", "optimizer.learning_rate", "seed"];
    let micro: Vec<&str> = MICRO.into_iter().filter(|set| !names.iter().any(|name| set.starts_with(name))).collect();
    all.push("--set");
    all.extend(&micro);
    all.push("training.validate_every=3");
    let twice = [all.as_slice(), &["seed=8"]].concat();
    refused(&electra(directory.path(), &twice), &["seed is given by --set and by an option of its own"]);
    succeeds(&electra(directory.path(), &all));
    let config: toml::Table = read(directory.path().join("run/config.toml")).parse().unwrap();
    let number = |section: &str, key: &str| config[section][key].as_integer();
    assert_eq!((number("training", "steps"), number("data", "batch_size")), (Some(3), Some(2)));
    assert_eq!((number("data", "sequence_length"), config["seed"].as_integer()), (Some(16), Some(7)));
    assert_eq!(config["optimizer"]["learning_rate"].as_float(), Some(2e-4));
    assert_eq!(config["training"]["precision"].as_str(), Some("f32"));
}

#[test]
fn settings_are_printed_and_checked() {
    let directory = directory();
    let at = directory.path();
    let printed = electra(at, &["config", "--preset", "small", "--set", "training.steps=77"]);
    succeeds(&printed);
    let settings = text(&printed.stdout);
    assert!(settings.contains("# Layers of the encoder.\nnum_hidden_layers = 12\n"), "{settings}");
    assert!(settings.contains("\n# time_budget = \"30m\"\n"), "what is absent is commented out: {settings}");
    std::fs::write(at.join("mine.toml"), settings.replace("steps = 77", "stepps = 77")).unwrap();
    let refusal = ["mine.toml", "unknown field `stepps`", "did you mean `training.steps`?"];
    refused(&electra(at, &["config", "check", "mine.toml"]), &refusal);
    std::fs::write(at.join("mine.toml"), &settings).unwrap();
    let checked = electra(at, &["config", "check", "mine.toml"]);
    succeeds(&checked);
    assert!(text(&checked.stdout).contains("settings of pretraining"));
    // The same settings, printed from the file.
    assert_eq!(text(&electra(at, &["config", "mine.toml"]).stdout), settings);
}

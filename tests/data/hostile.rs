//! Files that are damaged or made to do harm: each gets an error that names it, and nothing waits, aborts or is obeyed.

use crate::common::backends::CPU;
use crate::common::program::{MICRO, directory, electra, overridden, pretrain, read, refused, succeeds, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn base(at: &Path) -> PathBuf {
    succeeds(&pretrain(at, &["--output", "run"]));
    at.join("run")
}

fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json = serde_json::from_str(&read(path)).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

/// Finding 5: sizes of a `config.json` were taken as they were; heads that do not divide the hidden size read memory that
/// nobody had written.
#[test]
fn impossible_sizes_of_a_model_are_refused() {
    let directory = directory();
    let at = directory.path();
    let config = base(at).join("discriminator/config.json");
    let good = read(&config);
    let detect = || electra(at, &["detect", "--model", "run/discriminator", "--device", CPU, "the water"]);
    succeeds(&detect());
    for (key, value, expected) in [
        ("num_attention_heads", serde_json::json!(3), "32 is not divisible by num_attention_heads, 3"),
        ("num_attention_heads", 0.into(), "num_attention_heads: expected 1 to 65536, found 0"),
        ("hidden_size", 1_000_000_000_000u64.into(), "hidden_size: expected 1 to 65536"),
        ("num_hidden_layers", 100_000_000_000u64.into(), "num_hidden_layers: expected 1 to 1024"),
        ("num_hidden_layers", 1000.into(), "bytes of weights or more, those beside it have"),
        ("layer_norm_eps", (-1.0).into(), "layer_norm_eps: expected a number above 0, found -1"),
        ("hidden_dropout_prob", 2.0.into(), "hidden_dropout_prob: expected 0 to 0.99, found 2"),
        ("position_embedding_type", "relative_key".into(), "position_embedding_type is \"relative_key\""),
        ("is_decoder", true.into(), "is_decoder is true"),
    ] {
        edit(&config, |json| json[key] = value);
        refused(&detect(), &["config.json", expected]);
        refused(&electra(at, &["import", "run/discriminator", "--output", "imported"]), &["config.json", expected]);
        assert!(!at.join("imported").exists(), "{key}");
        std::fs::write(&config, &good).unwrap();
    }
    std::fs::write(&config, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]").unwrap();
    refused(&detect(), &["config.json", "this is no JSON object"]);
    refused(&electra(at, &["import", "run/discriminator", "--output", "imported"]), &["this is no JSON object"]);
}

/// Finding 7: an opening quote swallowed the rest of a corpus.
#[test]
fn an_open_quote_does_not_swallow_a_corpus() {
    let directory = directory();
    let at = directory.path();
    std::fs::write(at.join("words.txt"), "the water is a row of the stone\n".repeat(50)).unwrap();
    let train = ["tokenizer", "train", "--corpus", "words.txt", "--vocab-size", "30", "--output", "tokenizer"];
    succeeds(&electra(at, &train));
    let rows = |separator: char| -> String {
        let row = |at: usize| format!("{at}{separator}{}the water is row {at}\n", if at == 5 { "\"" } else { "" });
        format!("id{separator}text\n{}", (0..300).map(row).collect::<String>())
    };
    std::fs::write(at.join("a.tsv"), rows('\t')).unwrap();
    std::fs::write(at.join("a.csv"), rows(',')).unwrap();
    let build = |corpus: &str, to: &str| {
        electra(at, &["corpus", "build", "--corpus", corpus, "--tokenizer", "tokenizer", "--output", to])
    };
    let tabs = build("a.tsv", "tabs");
    succeeds(&tabs);
    assert!(text(&tabs.stdout).contains("300 documents"), "{}", text(&tabs.stdout));
    refused(&build("a.csv", "commas"), &["a.csv:7: a quote is opened in this row and never closed"]);
    let endless = format!("id,text\n1,\"{}", "x\n".repeat(20 << 20));
    std::fs::write(at.join("endless.csv"), endless).unwrap();
    refused(&build("endless.csv", "endless"), &["endless.csv", "a row of more than 16 MiB"]);
}

/// Whether the program ends by itself.
fn ends(at: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.args(arguments).current_dir(at).stdout(Stdio::null()).stderr(Stdio::null());
    let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
    while begun.elapsed() < Duration::from_secs(60) {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    false
}

/// Finding 12: a pipe in a run was waited for.
#[test]
#[cfg(unix)]
fn pipes_are_not_waited_for() {
    let directory = directory();
    let at = directory.path();
    for name in ["lock", "status.json", "metrics.jsonl", "run.json"] {
        let run = at.join("runs").join(name);
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("config.toml"), "").unwrap();
        assert!(Command::new("mkfifo").arg(run.join(name)).status().unwrap().success());
        assert!(ends(at, &["report", run.to_str().unwrap()]), "report of a run whose {name} is a pipe");
    }
    assert!(ends(at, &["runs", "runs"]));
}

/// Finding 14: numbers that are too large ended in a panic.
#[test]
fn numbers_without_bound_are_no_panic() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let metrics = run.join("metrics.jsonl");
    let line = "{\"step\":20,\"split\":\"train\",\"skipped_steps\":1e300,\"loss_spikes\":1e300}\n";
    std::fs::write(&metrics, read(&metrics) + line + line).unwrap();
    succeeds(&electra(at, &["report", "run"]));
    let mut header =
        serde_json::json!({"a": {"dtype": "F32", "shape": [1u64 << 40, 1u64 << 40], "data_offsets": [0, 0]}});
    header["electra.b"] = header["a"].clone();
    let header = header.to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    std::fs::write(run.join("discriminator/more.safetensors"), &bytes).unwrap();
    std::fs::write(run.join("discriminator/model.safetensors"), &bytes).unwrap();
    let inspected = electra(at, &["inspect", "run/discriminator"]);
    assert!(!text(&inspected.stderr).contains("panicked"), "{}", text(&inspected.stderr));
    assert!([Some(0), Some(2)].contains(&inspected.status.code()), "{:?}", inspected.status);
    let endless = pretrain(at, &["--output", "endless", "--set", "training.steps=9000000000000000000"]);
    refused(&endless, &["training.steps"]);
}

/// Finding 14: a shard that was cut while a run read it ended the process with SIGBUS.
#[test]
fn a_shard_that_is_cut_during_a_run_is_an_error() {
    let directory = directory();
    let at = directory.path();
    let line = |n: usize| format!("the water is a row of the stone {n}\n\n");
    std::fs::write(at.join("words.txt"), (0..3000).map(line).collect::<String>()).unwrap();
    let train = ["tokenizer", "train", "--corpus", "words.txt", "--vocab-size", "64", "--output", "tokenizer"];
    succeeds(&electra(at, &train));
    let build = ["corpus", "build", "--corpus", "words.txt", "--tokenizer", "tokenizer", "--output", "store"];
    succeeds(&electra(at, &build));

    let begun = ["pretrain", "--device", CPU, "--corpus", "store", "--output", "short", "--set"];
    let set = ["model.vocab_size=64", "training.steps=2", "data.validation_share=0.3"];
    let set: Vec<&str> = MICRO.into_iter().filter(|micro| !overridden(micro, &set)).chain(set).collect();
    let short = electra(at, &[&begun[..], &set].concat());
    succeeds(&short);
    let said = "the store decided when it was built what is held out (a share of 0.02); data.validation_share, 0.3, is not used";
    assert!(text(&short.stdout).contains(said), "{}", text(&short.stdout));

    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.args(["pretrain", "--device", CPU, "--corpus", "store", "--output", "run", "--set"]);
    let own = ["model.vocab_size=64", "training.steps=1000000", "training.log_every=1"];
    command.args(MICRO.into_iter().filter(|set| !overridden(set, &own))).args(own);
    command.current_dir(at).env("ELECTRA_CACHE", at.join(".cache")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let records = at.join("run/metrics.jsonl");
    let begun = Instant::now();
    while !std::fs::metadata(&records).is_ok_and(|records| records.len() > 0) {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && begun.elapsed() < Duration::from_secs(120), "no record was written: {ended:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let shard = std::fs::File::options().write(true).open(at.join("store/tokens-00000.safetensors")).unwrap();
    shard.set_len(shard.metadata().unwrap().len() / 2).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("tokens-00000.safetensors") && said.contains("changed while it was in use"), "{said}");
    assert!(read(at.join("run/status.json")).contains("failed"), "{}", read(at.join("run/status.json")));

    // A file that goes on for long after its last token is not read to its end.
    shard.set_len(1 << 40).unwrap();
    let inspected = electra(at, &["corpus", "inspect", "store"]);
    refused(&inspected, &["tokens-00000.safetensors: it has 1099511627776 bytes; expected "]);
}

/// Finding 15: what files say moved the terminal's cursor.
#[test]
fn control_characters_are_shown_and_not_sent() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    std::fs::write(run.join("status.json"), "{\"state\":\"failed\",\"reason\":\"\\u001b]0;PWNED\\u0007\"}").unwrap();
    let listed = electra(at, &["runs", "."]);
    succeeds(&listed);
    let said = text(&listed.stdout);
    assert!(said.contains("\\u001b]0;PWNED\\u0007") && !said.contains('\u{1b}'), "{said:?}");
    let error = electra(at, &["inspect", "\u{1b}[31mnowhere"]);
    assert!(!text(&error.stderr).contains('\u{1b}'), "{:?}", text(&error.stderr));
}

/// Finding 18: an index led out of its folder.
#[test]
fn indices_name_files_beside_them() {
    let directory = directory();
    let at = directory.path();
    let model = base(at).join("discriminator");
    std::fs::rename(model.join("model.safetensors"), at.join("run/outside.safetensors")).unwrap();
    for name in ["../outside.safetensors", "/etc/passwd", "..", "a/b.safetensors"] {
        let index = serde_json::json!({"weight_map": {"x": name}}).to_string();
        std::fs::write(model.join("model.safetensors.index.json"), index).unwrap();
        let output = electra(at, &["import", "run/discriminator", "--output", "imported"]);
        refused(&output, &["model.safetensors.index.json", "expected the name of a file beside it"]);
    }
}

/// Finding 18: a classifier that reads no token of its text answered all the same.
#[test]
fn a_length_without_room_for_a_token_is_refused() {
    let directory = directory();
    let at = directory.path();
    base(at);
    std::fs::write(at.join("data.tsv"), "text\tlabel\nthe water\ta\nof stone\tb\n").unwrap();
    let fixed =
        ["finetune", "--device", CPU, "--task", "classification", "--model", "run/discriminator", "--epochs", "1"];
    succeeds(&electra(at, &[&fixed[..], &["--train", "data.tsv", "--dev", "data.tsv", "--output", "tuned"]].concat()));
    for length in [serde_json::json!(0), 2.into(), (-1).into(), "12".into()] {
        edit(&at.join("tuned/model/config.json"), |json| json["electra_burn_max_length"] = length.clone());
        let expected = format!("electra_burn_max_length is {length}; expected 3 tokens or more");
        let output = electra(at, &["predict", "--device", CPU, "--model", "tuned/model", "--input", "data.tsv"]);
        refused(&output, &["config.json", &expected]);
    }
}

/// Findings 13 and 18: padding was counted as tokens that were seen.
#[test]
fn padding_is_not_seen() {
    let directory = directory();
    let at = directory.path();
    // Twelve tokens a document with the special ones, of sixteen.
    let text: String = (0..40).map(|number| format!("the water and stone of wood in a row {number}\n")).collect();
    std::fs::write(at.join("words.txt"), text).unwrap();
    let seen = |packing: &str| -> u64 {
        let more = ["--corpus", "words.txt", "--documents", "line", "--output", packing, "--set"];
        let packing_key = format!("data.packing={packing}");
        succeeds(&pretrain(at, &[&more[..], &[&packing_key, "model.vocab_size=60"]].concat()));
        let records = read(at.join(packing).join("metrics.jsonl"));
        let last = records.lines().rfind(|line| line.contains("tokens_seen")).expect("training is recorded").to_owned();
        let last: serde_json::Value = serde_json::from_str(&last).unwrap();
        let card = read(at.join(packing).join("discriminator/README.md"));
        let seen = last["tokens_seen"].as_u64().unwrap();
        assert!(card.contains(&format!("| tokens seen | {seen}, padding not counted |")), "{seen} in {card}");
        seen
    };
    let (packed, documents) = (seen("packed"), seen("documents"));
    // 20 steps of 4 sequences of 16; all but the last window of the corpus is full.
    assert!((1260..=1280).contains(&packed), "{packed}");
    assert!(documents < 1100, "{documents}");
}

/// A tokenizer is read boundedly and never waited for, and its ids have rows in the word table.
#[test]
#[cfg(unix)]
fn tokenizers_are_read_boundedly_and_fit_the_model() {
    let directory = directory();
    let at = directory.path();
    let tokenizer = base(at).join("discriminator/tokenizer.json");
    let good = read(&tokenizer);
    edit(&tokenizer, |json| json["model"]["vocab"]["the"] = 300.into());
    let detect = ["detect", "--model", "run/discriminator", "--device", CPU, "the water"];
    refused(&electra(at, &detect), &["301 tokens", "300 rows"]);
    std::fs::remove_file(&tokenizer).unwrap();
    assert!(Command::new("mkfifo").arg(&tokenizer).status().unwrap().success());
    assert!(ends(at, &detect));
    std::fs::remove_file(&tokenizer).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &tokenizer).unwrap();
    refused(&electra(at, &detect), &["tokenizer.json", "no regular file"]);
    std::fs::remove_file(&tokenizer).unwrap();
    std::fs::write(&tokenizer, good).unwrap();
    succeeds(&electra(at, &detect));
}

/// Files without end are read as far as is sensible, and what is said of them is whole.
#[test]
fn files_without_end_are_bounded() {
    let directory = directory();
    let at = directory.path();
    let run = base(at);
    let metrics = read(run.join("metrics.jsonl"));
    let sparse = |name: &str| std::fs::File::create(run.join(name)).unwrap().set_len(3 << 30).unwrap();
    sparse("config.toml");
    let report = electra(at, &["report", "run"]);
    assert!(text(&report.stderr).contains("config.toml: the file has more than"), "{}", text(&report.stderr));
    sparse("metrics.jsonl");
    let report = electra(at, &["report", "run"]);
    assert!(text(&report.stderr).contains("line 1 has more than"), "{}", text(&report.stderr));
    succeeds(&electra(at, &["runs", "."]));
    let names: String = (0..1000).map(|name| format!(",\"n{name}\":1")).collect();
    std::fs::write(run.join("metrics.jsonl"), metrics + &format!("{{\"step\":30,\"split\":\"valid\"{names}}}\n"))
        .unwrap();
    let report = electra(at, &["report", "run", "--output", "page.html"]);
    assert!(text(&report.stderr).contains("values are left out"), "{}", text(&report.stderr));
    assert!(at.join("page.html").metadata().unwrap().len() < 4 << 20);
}

/// A ranking whose run cannot be read is not one of the judged documents, and a score without bound no score.
#[test]
fn rows_and_runs_that_cannot_be_meant_are_refused() {
    let directory = directory();
    let at = directory.path();
    base(at);
    let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
    write("queries.tsv", "q1\tthe water\n");
    write("documents.tsv", "d1\tthe stone\nd2\tof wood\n");
    write("train.qrels", "q1 0 d1 1\nq1 0 d2 0\n");
    std::fs::create_dir(at.join("train.run")).unwrap();
    let tune = |task: &str, data: &str| {
        let fixed = ["finetune", "--device", CPU, "--model", "run/discriminator", "--output", "tuned", "--epochs", "1"];
        electra(at, &[&fixed[..], &["--task", task, "--train", data, "--dev", data]].concat())
    };
    refused(&tune("ranking", "train.qrels"), &["train.run"]);
    write("scores.tsv", "text\tscore\nthe water\t1e300\nof stone\t2\n");
    refused(&tune("regression", "scores.tsv"), &["scores.tsv:2:", "larger than single precision holds"]);
}

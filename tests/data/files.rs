//! The files that people have: what is taken, left out and refused, and that it is said.

use crate::common::backends::CPU;
use crate::common::keyword::{finetune, keyword_table, write};
use crate::common::program::{directory, electra, piped, pretrain, read, refused, succeeds, text};
use serde_json::Value;
use std::path::Path;

fn evaluate(path: &Path, data: &str, more: &[&str]) -> Value {
    let all = ["evaluate", "--device", CPU, "--model", "run/model", "--json", "--data", data];
    let output = electra(path, &[&all[..], more].concat());
    succeeds(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn predict(path: &Path, input: &str, more: &[&str]) -> std::process::Output {
    electra(path, &[&["predict", "--device", CPU, "--model", "run", "--input", input], more].concat())
}

/// Hidden labels are no class, unknown ones are misses, and whoever predicts looks at none.
#[test]
fn gold_is_read_where_it_is_needed() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 60, 1);
    let rows = read(path.join(&train));
    write(path.join("hidden.tsv"), &format!("{rows}-\tthe water\n-\tof wood\n"));
    let dev = write(
        path.join("dev.jsonl"),
        "{\"label\": \"stone\", \"text\": \"the stone\"}\n{\"label\": \"-\", \"text\": \"a\"}\n",
    );
    let output = finetune(path, "classification", "hidden.tsv", &dev, &["--epochs", "1"]);
    succeeds(&output);
    let said = text(&output.stdout);
    for part in [
        "train: 60 examples in hidden.tsv",
        "columns: text = text, label = label; first row:",
        "2 rows without a label (\"-\")",
        "2 classes: none, stone",
        "dev: 1 examples in",
    ] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }

    // Of four rows one is unjudged, and one has a class that the model cannot say.
    let data = "label\ttext\nstone\tthe stone\nnone\tthe water\nwood\tof wood\n-1\ta\n";
    let judged = evaluate(path, &write(path.join("judged.tsv"), data), &[]);
    assert_eq!((&judged["examples"], &judged["skipped"]), (&3.into(), &0.into()), "{judged:#}");
    let right = judged["accuracy"].as_f64().unwrap() * 3.0;
    assert!((right - right.round()).abs() < 1e-9 && right < 2.5, "a class that is not known is a miss: {judged:#}");
    assert_eq!(judged["tables"][1]["columns"], serde_json::json!(["gold \\ predicted", "none", "stone", "wood"]));
    assert!(judged["f1[stone]"].is_f64() && judged.get("f1").is_none(), "{judged:#}");
    let notes = judged["notes"].to_string();
    assert!(
        notes.contains("1 row with labels that the model does not know") && notes.contains("(\\\"-1\\\")"),
        "{notes}"
    );

    let strange = write(path.join("strange.tsv"), "label\ttext\niron\tthe stone\ngold\tthe water\n");
    let notes = evaluate(path, &strange, &[])["notes"].to_string();
    assert!(notes.contains("warning: the model knows none of the file's: 2 rows with labels"), "{notes}");

    let output = predict(path, "judged.tsv", &[]);
    succeeds(&output);
    assert_eq!(text(&output.stdout).lines().count(), 4);
    assert!(text(&output.stderr).contains("judged.tsv: columns: text = text"), "{}", text(&output.stderr));
    let none = write(path.join("none.tsv"), "text\tlabel\nthe stone\t-\n");
    let all = ["evaluate", "--device", CPU, "--model", "run/model", "--data", &none];
    refused(&electra(path, &all), &["none.tsv", "no row has a label: 1 row without a label (\"-\")"]);
    let columns = write(path.join("columns.json"), "{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": \"stone\"}}\n");
    let all = ["evaluate", "--device", CPU, "--model", "run/model", "--data", &columns];
    refused(&electra(path, &all), &["columns.json", "this object holds columns", "orient"]);
}

#[test]
fn columns_can_be_named() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    let rows: Vec<String> =
        read(path.join(&train)).lines().skip(1).map(|row| format!("7,{}", row.replace('\t', ","))).collect();
    let table = write(path.join("a.csv"), &format!("n,kind,abstract\n{}\n", rows.join("\n")));
    refused(
        &finetune(path, "classification", &table, &table, &[]),
        &["a.csv:1:", "there is no column of texts", "--text-column", "the columns are: n, kind, abstract"],
    );
    let named = ["--epochs", "1", "--text-column", "abstract", "--label-column", "kind"];
    succeeds(&finetune(path, "classification", &table, &table, &named));
    let config = read(path.join("run/config.toml"));
    assert!(config.contains("text_columns = [\"abstract\"]") && config.contains("label_column = \"kind\""), "{config}");
    let judged = evaluate(path, &table, &["--text-column", "abstract", "--label-column", "kind"]);
    assert_eq!(judged["examples"], 40);
    let lines = predict(path, &table, &["--format", "lines"]);
    assert_eq!(text(&lines.stdout).lines().count(), 41, "the same file as lines of text");

    // Whatever a line is, its answer is that of the text in it.
    let answers = |input: &str, more: &[&str]| {
        let output = piped(path, &[&["predict", "--device", CPU, "--model", "run"], more].concat(), input);
        succeeds(&output);
        assert!(text(&output.stderr).contains("standard input: an input a line"), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let object = "{\"label\": \"none\", \"text\": \"the stone\"}\n";
    assert_eq!(answers(object, &[]), answers("the stone\n", &[]));
    assert_ne!(answers(object, &["--json", "--format", "lines"]), answers(object, &["--json"]));
    let piped_table = piped(path, &["predict", "--device", CPU, "--model", "run"], "label\ttext\nnone\tthe water\n");
    refused(&piped_table, &["-:1: this is the header of a table"]);
    let broken = piped(path, &["predict", "--device", CPU, "--model", "run"], "the water\n{\"text\": 3\n");
    refused(&broken, &["-:2: ", "expected one JSON object a line; --format lines takes lines as they are"]);

    // What the task or the input has no use for is refused, in every command.
    let lines = write(path.join("lines.txt"), "the stone\nthe water\n");
    refused(&predict(path, &lines, &["--text-column", "abstract"]), &["lines.txt", "this is no table"]);
    refused(&predict(path, "-", &named[2..4]), &["--text-column: an input a line has no columns"]);
    let expected = "--tag-column: classification has no such option; expected it with token-classification";
    refused(&predict(path, &table, &["--tag-column", "2"]), &[expected]);
    let tagged = ["--device", CPU, "--model", "run/model", "--tag-column", "2"];
    refused(&electra(path, &[&["evaluate", "--data", &table], &tagged[..]].concat()), &[expected]);
    refused(&electra(path, &[&["explain", "--file", &table], &tagged[..]].concat()), &[expected]);
    std::fs::remove_dir_all(path.join("run")).unwrap();
    for (task, option) in [
        ("regression", ["--labels", "names.txt"]),
        ("ranking", ["--word-column", "1"]),
        ("token-classification", ["--text-column", "a"]),
        ("question-answering", ["--label-column", "a"]),
    ] {
        let expected = format!("{}: {task} has no such option", option[0]);
        refused(&finetune(path, task, &table, &table, &option), &[&expected]);
    }
}

/// Entities are counted whatever marks them, and numbers get their names from a file.
#[test]
fn tags_of_every_scheme_are_judged() {
    let directory = directory();
    let path = directory.path();
    let sentence = |stone: &str| format!("the O\nstone {stone}\nin O\n\nwater O\nof O\n\n");
    let judged_as = |stone: &str, more: &[&str]| {
        let data = write(path.join("a.conll"), &sentence(stone).repeat(6));
        let output = finetune(path, "token-classification", &data, &data, &[&["--epochs", "1"], more].concat());
        succeeds(&output);
        let judged = evaluate(path, &data, more);
        std::fs::remove_dir_all(path.join("run")).unwrap();
        (text(&output.stdout), judged)
    };
    for (tag, scheme) in [
        ("B-THING", "entities by prefixes (B-PER)"),
        ("B_THING", "entities by prefixes (B_PER)"),
        ("THING-B", "entities by suffixes (PER-B)"),
        ("B", "entities of one kind (B, I)"),
        ("THING", "entities by kind alone (PER)"),
    ] {
        let (said, judged) = judged_as(tag, &[]);
        assert!(said.contains(scheme), "{tag}: {said}");
        assert!(judged["f1"].is_f64(), "{tag}: {judged:#}");
    }
    let numbers = sentence("1").replace(" O\n", " 0\n");
    let data = write(path.join("n.conll"), &numbers.repeat(6));
    let names = write(path.join("names.txt"), "O\nB-THING\nI-THING\n");
    let output = finetune(path, "token-classification", &data, &data, &["--epochs", "1"]);
    let said = text(&output.stdout);
    assert!(said.contains("the tags are numbers") && said.contains("--labels FILE"), "{said}");
    std::fs::remove_dir_all(path.join("run")).unwrap();
    succeeds(&finetune(path, "token-classification", &data, &data, &["--epochs", "1", "--labels", &names]));
    let config = read(path.join("run/model/config.json"));
    assert!(config.contains("\"1\": \"B-THING\""), "{config}");
    let judged = evaluate(path, &data, &[]);
    assert!(judged["f1"].is_f64(), "the model knows the names: {judged:#}");
    assert!(judged["notes"].to_string().contains("tags are numbers: 0 = O, 1 = B-THING"), "{judged:#}");
    assert!(judged["notes"].to_string().contains("their order are the model's"), "{judged:#}");
    let hidden = write(path.join("hidden.conll"), "the -\nstone -\n\nwater -\n\n");
    refused(
        &electra(path, &["evaluate", "--device", CPU, "--model", "run/model", "--data", &hidden]),
        &["hidden.conll", "no word has a tag"],
    );
}

/// What exists stays as it is until all answers are there.
#[test]
fn a_failed_prediction_leaves_its_output_alone() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    succeeds(&finetune(path, "classification", &train, &train, &["--epochs", "1"]));
    write(path.join("answers"), "of an hour of work\n");
    write(path.join("bad"), "a text\nbytes \u{0}");
    std::fs::write(path.join("bad"), b"a text\nbytes \xff\n").unwrap();
    refused(&predict(path, "bad", &["--output", "answers"]), &["bad:2:", "not UTF-8"]);
    assert_eq!(read(path.join("answers")), "of an hour of work\n");
    refused(&predict(path, "missing.txt", &["--output", "answers"]), &["missing.txt"]);
    assert_eq!(read(path.join("answers")), "of an hour of work\n");
    succeeds(&predict(path, "bad", &["--output", "answers", "--skip-bad-rows"]));
    assert_eq!(read(path.join("answers")).lines().count(), 1);
    let rest: Vec<_> = std::fs::read_dir(path).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!rest.iter().any(|name| name.to_string_lossy().starts_with(".partial")), "{rest:?}");
}

/// A model that another program has fine-tuned says by `id2label` what its outputs mean.
#[test]
fn a_model_from_elsewhere_answers() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    succeeds(&finetune(path, "classification", &train, &train, &["--epochs", "1"]));
    let expected = predict(path, &train, &["--json"]);
    succeeds(&expected);
    let config = path.join("run/model/config.json");
    let mut json: Value = serde_json::from_str(&read(&config)).unwrap();
    let ours: Vec<String> =
        json.as_object().unwrap().keys().filter(|key| key.starts_with("electra_burn")).cloned().collect();
    ours.iter().for_each(|key| _ = json.as_object_mut().unwrap().remove(key));
    std::fs::write(&config, json.to_string()).unwrap();
    for more in [&["--json", "--task", "classification"][..], &["--json"]] {
        let found = predict(path, &train, more);
        succeeds(&found);
        assert_eq!(text(&found.stdout), text(&expected.stdout));
        let note = "no task is named; ElectraForSequenceClassification is taken for classification, or --task says it";
        assert_eq!(text(&found.stderr).contains(note), more.len() == 1, "{}", text(&found.stderr));
    }
    json["problem_type"] = "regression".into();
    std::fs::write(&config, json.to_string()).unwrap();
    refused(&predict(path, &train, &[]), &["config.json: the model has 2 outputs; regression expects one"]);
    json["architectures"][0] = "ElectraForPreTraining".into();
    std::fs::write(&config, json.to_string()).unwrap();
    refused(&predict(path, &train, &[]), &["config.json: it has no head for a task"]);
    json["architectures"][0] = "ElectraForSequenceClassification".into();
    std::fs::write(&config, json.to_string()).unwrap();
    refused(
        &predict(path, &train, &["--task", "token-classification"]),
        &[
            "the architecture is ElectraForSequenceClassification; token-classification expects ElectraForTokenClassification",
        ],
    );
    refused(
        &electra(path, &["predict", "--device", CPU, "--model", "google/electra-small-discriminator"]),
        &["there is no such directory", "hf download google/electra-small-discriminator --local-dir DIR"],
    );
}

/// A run of one kind is not resumed as one of the other.
#[test]
fn a_run_of_another_kind_is_named() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    succeeds(&finetune(path, "classification", &train, &train, &["--epochs", "1"]));
    let resume = |command: &str, run: &str| electra(path, &[command, "--device", CPU, "--resume", run]);
    refused(&resume("pretrain", "run"), &["a run of fine-tuning", "electra finetune --resume"]);
    succeeds(&pretrain(path, &["--output", "pair"]));
    refused(&resume("finetune", "pair"), &["a run of pretraining", "electra pretrain --resume"]);
}

/// Of a folder what can be read is read, and the rest is counted and said.
#[cfg(unix)]
#[test]
fn what_a_folder_holds_is_said() {
    let directory = directory();
    let path = directory.path();
    for folder in ["crawl", "crawl/.git", "crawl/sub"] {
        std::fs::create_dir(path.join(folder)).unwrap();
    }
    let river = "The river runs to the sea.\n\nThe stone is in the water.\n\nA boat is on the river.\n";
    for (name, contents) in [
        ("crawl/a.txt", river),
        ("crawl/.git/x.txt", "of a hidden folder\n"),
        (
            "crawl/sub/b.jsonl",
            "{\"text\": \"the wood is old\"}\n{\"text\": \"half \\ud83d\"}\n{\"text\": \"whole \\ud83d\\ude00\"}\n",
        ),
        ("crawl/page.html", "<p>"),
        ("crawl/dump.txt.bz2", "BZh91AY"),
        ("crawl/README", "no ending"),
    ] {
        write(path.join(name), contents);
    }
    std::os::unix::fs::symlink("nowhere", path.join("crawl/dangling.txt")).unwrap();
    std::os::unix::fs::symlink("..", path.join("crawl/sub/loop")).unwrap();
    let train =
        ["tokenizer", "train", "--vocab-size", "40", "--output", "tok", "--invalid-utf8", "skip", "--corpus", "crawl"];
    succeeds(&electra(path, &train));
    let build = |output: &str, corpus: &[&str], more: &[&str]| {
        let all = ["corpus", "build", "--tokenizer", "tok", "--output", output, "--validation-share", "0.3"];
        electra(path, &[&all[..], more, &["--corpus"], corpus].concat())
    };
    let refusing = build("s0", &["crawl"], &[]);
    refused(&refusing, &["b.jsonl:2:", "half a surrogate pair", "--invalid-utf8 skip or replace"]);
    let output = build("s1", &["crawl", "crawl/a.txt"], &["--invalid-utf8", "skip"]);
    succeeds(&output);
    let said = text_of(&output);
    for part in [
        "2 files: 1 text (a blank line ends a document), 1 JSON lines (field \"text\")",
        "files of other kinds left out: 1 .bz2, 1 .html, 1 without an ending; --format reads every file",
        "left out, since they cannot be read:",
        "dangling.txt",
        "named twice and read once: crawl/a.txt",
        "in 5 documents",
        "1 lines or records hold what is not Unicode",
    ] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    assert!(!text(&electra(path, &["corpus", "inspect", "s1"]).stdout).contains("hidden"));
    refused(&build("s2", &["crawl/dump.txt.bz2"], &[]), &["a bzip2 file", "bunzip2 -c FILE"]);
    // With a format every file is read, and what is none is no longer passed over.
    let every = ["--format", "text", "--invalid-utf8", "skip"];
    refused(&build("s3", &["crawl"], &every), &["dump.txt.bz2", "a bzip2 file"]);
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// What a vocabulary loses of a text is said, and a store of nothing but [UNK] is none.
#[test]
fn unknown_words_are_said() {
    let directory = directory();
    let path = directory.path();
    // 1,500 signs, each three times, fifty a line.
    let signs: Vec<char> = (0x4e00..0x4e00 + 1500).map(|code| char::from_u32(code).unwrap()).collect();
    let lines: Vec<String> = signs.chunks(50).map(|line| line.iter().collect()).collect();
    let text_of_three = [lines.join("\n\n"), lines.join(" \n\n"), lines.join("  \n\n")].join("\n\n");
    write(path.join("zh.txt"), &text_of_three);
    let train = |size: &str, output: &str, more: &[&str]| {
        let all = ["tokenizer", "train", "--corpus", "zh.txt", "--vocab-size", size, "--output", output];
        electra(path, &[&all[..], more].concat())
    };
    succeeds(&train("1505", "t1", &[]));
    let output = train("1005", "t2", &["--limit-alphabet", "1000"]);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(
        said.contains("500 of the 1500 characters of the text, 33.33 % of it") && said.contains("--limit-alphabet"),
        "{said}"
    );
    let build = |corpus: &str, tokenizer: &str, output: &str| {
        electra(path, &["corpus", "build", "--corpus", corpus, "--tokenizer", tokenizer, "--output", output])
    };
    let output = build("zh.txt", "t2", "store");
    succeeds(&output);
    assert!(text(&output.stdout).contains("warning: 33.33 % of the tokens are [UNK]"), "{}", text(&output.stdout));
    let cause = "of 1,000 words looked at, 1,000 with characters that the vocabulary lacks, such as ";
    assert!(text(&output.stdout).contains(cause), "{}", text(&output.stdout));
    let english = "the river\n\nthe stone\n\nthe sea\n\nan old boat\n";
    write(path.join("en.txt"), english);
    refused(&build("en.txt", "t1", "none"), &["en.txt", "100.0 % of its", "are [UNK]", "nothing to learn"]);
    assert!(!path.join("none").exists());

    write(path.join("ja.txt"), &"が ぎ ぐ か き く\n\n".repeat(4));
    let train = ["tokenizer", "train", "--corpus", "ja.txt", "--vocab-size", "8", "--output", "t3"];
    let output = electra(path, &train);
    succeeds(&output);
    assert!(text(&output.stdout).contains("lose an accent, a vowel sign or another mark"), "{}", text(&output.stdout));
}

/// Everything below `path` with its contents.
fn contents(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => all.extend(contents(&path)),
            path => all.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    all.sort();
    all
}

/// Whatever writes leaves what exists alone, until its input is known to be good.
#[test]
fn no_command_writes_over_what_exists_for_bad_input() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    succeeds(&finetune(path, "classification", &train, &train, &["--epochs", "1"]));
    std::fs::write(path.join("bad"), b"bytes \xff\n").unwrap();
    std::fs::create_dir(path.join("folder")).unwrap();
    for name in ["file", "folder/kept"] {
        write(path.join(name), "of an hour of work\n");
    }
    let kept = || (read(path.join("file")), contents(&path.join("folder")), contents(&path.join("run")));
    let before = kept();
    for arguments in [
        "predict --model run --input bad --output file",
        "predict --model run --input missing --output folder",
        "explain --model run --file bad --html file",
        "explain --model run --file missing --html folder",
        "bench --set model.hidden_size=7 --trace file",
        "report missing --output file",
        "report missing --figures folder",
        "tokenizer import missing --output folder",
        "tokenizer train --corpus bad --vocab-size 50 --output folder",
        "tokenizer train --corpus missing --vocab-size 50 --output file",
        "corpus build --corpus bad --tokenizer run/model --output folder",
        "corpus build --corpus missing --tokenizer run/model --output file",
        "import missing --output folder",
        "import run/model --output folder",
        "export missing --output folder",
        "pretrain --corpus missing --output folder",
        "pretrain --corpus missing --output file",
        "finetune --task classification --model run/model --train bad --dev bad --output folder",
        "finetune --task classification --model run/model --train missing --dev bad --output file",
        "glue --model run/model --data missing --output folder",
    ] {
        let output = electra(path, &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", text_of(&output));
        assert!(!text(&output.stderr).contains("panicked"), "{arguments}: {}", text(&output.stderr));
        assert!(kept() == before, "{arguments} has changed what was there");
    }
}

/// What labels look like may not be what they are, and a table may have none.
#[test]
fn doubts_about_labels_are_said() {
    let directory = directory();
    let path = directory.path();
    let rows = |first: &str, second: &str| {
        let rows: String = (0..12).map(|_| format!("{first}\tthe stone\n{second}\tof water\n")).collect();
        format!("label\ttext\n{rows}")
    };
    for (labels, more, expected) in [
        (("a|b", "c"), &[][..], "\"a|b\" is taken for one class; --multi-label splits labels at \"|\""),
        (("a,b", "c"), &["--multi-label"], "\"a,b\" is taken for one label; several labels of a text stand between"),
        (("-1", "1"), &[], "\"-1\" is taken for a class"),
    ] {
        let data = write(path.join("a.tsv"), &rows(labels.0, labels.1));
        let output = finetune(path, "classification", &data, &data, &[&["--epochs", "1"], more].concat());
        succeeds(&output);
        assert!(text(&output.stdout).contains(expected), "expected \"{expected}\" in:\n{}", text(&output.stdout));
        std::fs::remove_dir_all(path.join("run")).unwrap();
    }
    let none = write(path.join("none.tsv"), "kind\ttext\nstone\tthe stone\n");
    let output = finetune(path, "classification", &none, &none, &[]);
    refused(&output, &["none.tsv", "there is no column of labels", "the columns are: kind, text"]);

    // A test set with hidden labels is predicted, not judged.
    let data = write(path.join("a.tsv"), &rows("stone", "water"));
    let hidden = write(path.join("hidden.tsv"), "label\ttext\n-\tthe stone\n-\tof water\n");
    let output = finetune(path, "classification", &data, &data, &["--epochs", "1", "--test", &hidden]);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("test: no example has a label, so that nothing is judged on it"), "{said}");
}

/// Programs do not write over what is no file, nor lose what cannot be written.
#[cfg(unix)]
#[test]
fn answers_go_where_the_output_leads() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 40, 1);
    succeeds(&finetune(path, "classification", &train, &train, &["--epochs", "1"]));
    write(path.join("real.tsv"), "what was there\n");
    std::os::unix::fs::symlink("real.tsv", path.join("link.tsv")).unwrap();
    succeeds(&predict(path, &train, &["--output", "link.tsv"]));
    assert!(path.join("link.tsv").is_symlink());
    std::os::unix::fs::symlink("nowhere", path.join("lost.tsv")).unwrap();
    refused(&predict(path, &train, &["--output", "lost.tsv"]), &["lost.tsv: this link leads nowhere"]);
    assert!(path.join("lost.tsv").is_symlink());
    assert_eq!(read(path.join("real.tsv")).lines().count(), 40);
    let output = predict(path, &train, &["--output", "/dev/null"]);
    succeeds(&output);
    assert!(!Path::new("/dev/null").is_file(), "it is a device still");
    let before = read(path.join(&train));
    refused(&predict(path, &train, &["--output", &train]), &["this is the input; expected another file"]);
    assert_eq!(read(path.join(&train)), before);
    if Path::new("/dev/full").exists() {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_electra"));
        command.current_dir(path).args(["predict", "--device", CPU, "--model", "run", "--input", &train]);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("standard output: No space left"), "{}", text(&output.stderr));
    }
    // Truth has many spellings, and labels that training never had choose nothing.
    let truth =
        |yes: &str, no: &str| format!("label\ttext\n{}", format!("{yes}\tthe stone\n{no}\tof wood\n").repeat(8));
    let (python, json) =
        (write(path.join("a.tsv"), &truth("True", "False")), write(path.join("b.tsv"), &truth("true", "false")));
    std::fs::remove_dir_all(path.join("run")).unwrap();
    succeeds(&finetune(path, "classification", &python, &json, &["--epochs", "1"]));
    assert!(evaluate(path, &json, &[])["accuracy"].as_f64().unwrap() >= 0.5);
    std::fs::remove_dir_all(path.join("run")).unwrap();
    let other = write(path.join("c.tsv"), &truth("yes", "no"));
    let output = finetune(path, "classification", &python, &other, &[]);
    refused(&output, &["c.tsv", "the training data have none of its labels"]);
    let names = write(path.join("names.txt"), "no\n\nyes\n");
    refused(
        &finetune(path, "classification", &other, &other, &["--labels", &names]),
        &["names.txt:2: the line is blank"],
    );
    refused(&piped(path, &["predict", "--device", CPU, "--model", "none"], "a\n"), &["none"]);
}

/// What a file has besides what is read, and what is no text for the model, is said.
#[test]
fn what_is_not_meant_is_said() {
    let directory = directory();
    let path = directory.path();
    let pair = "sentence_A\tsentence_B\trelatedness_score\tentailment_label\tsplit\n";
    let rows = "the stone\ta stone\t4.5\tyes\tTRAIN\nthe water\tof wood\t1.2\tno\tTEST\n".repeat(12);
    let table = write(path.join("sick.txt"), &format!("{pair}{rows}"));
    let output = finetune(path, "classification", &table, &table, &["--epochs", "1"]);
    succeeds(&output);
    let said = text(&output.stdout);
    for part in [
        "columns: text = sentence_A and sentence_B, label = entailment_label; first row:",
        "columns that are not read: relatedness_score, split",
        "2 classes: no, yes",
    ] {
        assert!(said.contains(part), "expected \"{part}\" in:\n{said}");
    }
    let single = write(path.join("single.tsv"), "label\ttext\nyes\tthe stone\nno\tof wood\n");
    let notes = evaluate(path, &single, &[])["notes"].to_string();
    assert!(notes.contains("fine-tuned on pairs of texts, and these are single texts"), "{notes}");
    let said = text(&predict(path, &single, &[]).stderr);
    assert!(said.contains("warning: the model was fine-tuned on pairs of texts"), "{said}");
    let lines = write(path.join("top.dev"), "1000\t0\tthe stone\ta stone\n");
    refused(&predict(path, &lines, &[]), &["top.dev:1: the line has 4 fields between tabs", "--text-column"]);
    std::fs::remove_dir_all(path.join("run")).unwrap();
    let output = finetune(path, "regression", &table, &table, &["--epochs", "1"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("label = relatedness_score"), "{}", text(&output.stdout));
    std::fs::remove_dir_all(path.join("run")).unwrap();
    refused(&finetune(path, "ranking", &single, &single, &[]), &["there is no column \"query\" or \"question\""]);

    let bare = write(path.join("bare.csv"), "1,the stone\n2,of wood\n");
    refused(&finetune(path, "classification", &bare, &bare, &[]), &["columns have numbers: --text-column 2"]);
    let lists = write(path.join("lists.csv"), &format!("labels,text\n{}", "\"[2 3]\",the stone\n[4],wood\n".repeat(8)));
    let output = finetune(path, "classification", &lists, &lists, &["--epochs", "1"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("\"[2 3]\" is taken for one label"), "{}", text(&output.stdout));
    std::fs::remove_dir_all(path.join("run")).unwrap();

    let write_as = |name: &str, text: &str| write(path.join(name), text);
    write_as("queries.tsv", "q1\tthe stone\nq2\tthe water\n");
    write_as("documents.tsv", "d1\ta stone\nd2\tof water\n");
    write_as("train.qrels", "q1 0 d1 1\nq1 0 d2 0\nq2 0 d2 1\n");
    write_as("dev.qrels", "q1 0 d1 1\nq2 0 d2 1\n");
    let output = finetune(path, "ranking", "train.qrels", "dev.qrels", &["--epochs", "1"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("warning: every document to rank is relevant"), "{}", text(&output.stdout));

    write_as("wiki_00", "{\"id\": \"0\", \"text\": \"the river\"}\n{\"id\": \"1\", \"text\": \"the stone\"}\n");
    let train = ["tokenizer", "train", "--corpus", "wiki_00", "--vocab-size", "23", "--output", "tok"];
    let output = electra(path, &train);
    succeeds(&output);
    let build = ["corpus", "build", "--corpus", "wiki_00", "--tokenizer", "tok", "--output", "store"];
    let output = electra(path, &build);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("in 2 documents") && said.contains("1 file with JSON lines under another name"), "{said}");
}

/// What changes ids and is not implemented is refused by its name.
#[test]
fn tokenizers_of_other_kinds_are_refused() {
    let directory = directory();
    let path = directory.path();
    let with = |name: &str, files: &[(&str, &str)]| {
        std::fs::create_dir(path.join(name)).unwrap();
        let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n<x>\n";
        for (file, text) in [&[("vocab.txt", vocabulary)], files].concat() {
            std::fs::write(path.join(name).join(file), text).unwrap();
        }
        electra(path, &["tokenizer", "encode", "--tokenizer", name, "the <x>"])
    };
    let known = with("known", &[("special_tokens_map.json", "{\"additional_special_tokens\": [\"<x>\"]}")]);
    succeeds(&known);
    let said = text(&known.stdout);
    assert!(said.contains("5 the") && said.contains("6 <x>"), "{said}");
    let unknown = with("unknown", &[("special_tokens_map.json", "{\"additional_special_tokens\": [\"<y>\"]}")]);
    refused(&unknown, &["additional_special_tokens has \"<y>\", which the vocabulary lacks"]);
    let left = with("left", &[("tokenizer_config.json", "{\"truncation_side\": \"left\"}")]);
    refused(&left, &["tokenizer_config.json: truncation_side is \"left\", which is not implemented"]);
    let bpe = "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}";
    refused(&with("bpe", &[("tokenizer.json", bpe)]), &["tokenizer.json: its model is BPE; expected WordPiece"]);
}

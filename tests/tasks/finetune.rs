//! Fine-tuning, evaluation and prediction as a user runs them, on data that a micro encoder learns in seconds.

use crate::common::backends::CPU;
use crate::common::keyword::{encoder, finetune, has_stone, keyword_table, with_stone, write};
use crate::common::program::{directory, electra, read, refused, succeeds, text};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

fn results(directory: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(directory.join("run").join("results.json")).unwrap()).unwrap()
}

fn evaluate(directory: &Path, data: &str) -> Value {
    let output = electra(directory, &["evaluate", "--device", CPU, "--model", "run/model", "--data", data, "--json"]);
    succeeds(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_classifier_learns_a_word_and_answers() {
    let directory = directory();
    let path = directory.path();
    let train = keyword_table(path, "train.tsv", 400, 1);
    let (dev, test) = (keyword_table(path, "dev.tsv", 100, 2), keyword_table(path, "test.tsv", 100, 3));
    let output = finetune(path, "classification", &train, &dev, &["--epochs", "20", "--test", &test]);
    succeeds(&output);
    let results = results(path);
    let accuracy = |part: &str| results[part]["accuracy"].as_f64().unwrap();
    assert!(accuracy("dev") > 0.95 && accuracy("test") > 0.95, "{results:#}");
    let baseline = results["baseline"]["metrics"]["accuracy"].as_f64().unwrap();
    assert!((0.4..0.7).contains(&baseline), "{results:#}");

    // The model that was written is the one that was judged.
    let judged = evaluate(path, &test);
    assert_eq!(judged["accuracy"], results["test"]["accuracy"]);
    assert_eq!(judged["tables"][1]["title"], "confusion");

    // Answers come in the order of the inputs, for more than a chunk of them, and `top_k` adds up.
    let lines = with_stone(3000, 4);
    let input: String = lines.iter().map(|words| words.join(" ") + "\n").collect();
    let input = write(path.join("input.txt"), &input);
    let arguments = ["predict", "--device", CPU, "--model", "run/model", "--input", &input, "--json", "--top-k", "2"];
    let output = electra(path, &arguments);
    succeeds(&output);
    let answers: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len());
    let right = |(words, answer): &(&Vec<&str>, &Value)| (answer["label"] == "stone") == has_stone(words);
    let share = lines.iter().zip(&answers).filter(right).count() as f64 / lines.len() as f64;
    assert!(share > 0.95, "{share} of the answers are right, as if they came in another order");
    let sum: f64 = answers[0]["top"].as_array().unwrap().iter().map(|top| top["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6);

    // In bf16 the answers are about the same, and it is said by how much they differ.
    let rounded = electra(path, &[&arguments[..], &["--precision", "bf16"]].concat());
    succeeds(&rounded);
    let remark = text(&rounded.stderr);
    let has_bf16 = electra_matmul::has_bf16();
    let expected = if has_bf16 { "of the first 64 inputs differ by at most" } else { "they are in f32" };
    assert!(remark.contains(expected), "{remark}");
    assert_eq!(rounded.stdout != output.stdout, has_bf16, "something is rounded");
    let rounded: Vec<Value> = text(&rounded.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let differing = rounded.iter().zip(&answers).filter(|(a, b)| a["label"] != b["label"]).count();
    assert!(differing <= 30, "{differing} of 3000 labels differ");
    let ndarray = ["predict", "--device", "ndarray", "--model", "run/model", "--input", &input, "--precision", "bf16"];
    refused(&electra(path, &ndarray), &["--precision bf16 on ndarray", "expected \"f32\""]);
}

#[test]
fn a_stopped_run_goes_on_to_the_same_model() {
    let directory = directory();
    let path = directory.path();
    let (train, dev) = (keyword_table(path, "train.tsv", 200, 1), keyword_table(path, "dev.tsv", 40, 2));
    // The best one is the last by this metric, so that what is written has gone through every step.
    let more = ["--epochs", "4", "--metric", "loss", "--set", "training.keep_checkpoints=10"];
    let whole = finetune(path, "classification", &train, &dev, &more);
    succeeds(&whole);
    let model = |path: &Path| std::fs::read(path.join("run/model/model.safetensors")).unwrap();
    let expected = (model(path), results(path));
    assert_eq!(expected.1["best_step"], expected.1["steps"]);
    assert!(!path.join("run/samples.jsonl").exists(), "samples are of pretraining");

    // As if the process had died after an early checkpoint.
    let run = path.join("run");
    let records = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let checkpoints: Vec<_> = std::fs::read_dir(run.join("checkpoints")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(checkpoints.iter().any(|path| path.ends_with("step-0000014")), "{checkpoints:?}");
    std::fs::remove_dir_all(run.join("model")).unwrap();
    std::fs::remove_file(run.join("results.json")).unwrap();
    for checkpoint in checkpoints.iter().filter(|path| !path.ends_with("step-0000014")) {
        std::fs::remove_dir_all(checkpoint).unwrap();
    }
    let output = electra(path, &["finetune", "--device", CPU, "--no-tui", "--resume", "run"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("resuming after step 14"), "{}", text(&output.stdout));
    assert_eq!(results(path), expected.1);
    assert!(model(path) == expected.0, "the weights differ");
    let steps = |records: &str| {
        let step = |line: &str| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap();
        records.lines().map(step).collect::<Vec<u64>>()
    };
    assert_eq!(steps(&std::fs::read_to_string(run.join("metrics.jsonl")).unwrap()), steps(&records));

    let resume =
        ["finetune", "--device", CPU, "--no-tui", "--resume", "run", "--epochs", "9", "--learning-rate", "1e-3"];
    refused(&electra(path, &resume), &["epochs: the run has", "not 9", "optimizer.learning_rate", "cannot change"]);
    assert_eq!(results(path), expected.1);
}

#[test]
fn without_data_to_choose_by_a_share_is_kept_apart() {
    let directory = directory();
    let path = directory.path();
    let (train, encoder) = (keyword_table(path, "all.tsv", 100, 1), encoder().to_string_lossy().into_owned());
    let mut all = vec!["finetune", "--device", CPU, "--no-tui", "--task", "classification", "--model", &encoder];
    all.extend(["--train", &train, "--dev-share", "0.2", "--output", "run", "--epochs", "1"]);
    let output = electra(path, &all);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("are kept apart (20.0 %; data.dev_share 0.2)"), "{said}");
    let facts: Value = serde_json::from_str(&read(path.join("run/run.json"))).unwrap();
    assert_eq!(facts["examples"], serde_json::json!({"train": 80, "dev": 20}));
    // The same rows again, where the run is resumed.
    succeeds(&electra(path, &["finetune", "--device", CPU, "--no-tui", "--resume", "run"]));
}

/// Finding 4: with a loss as the metric the last seed's model was taken for the best.
#[test]
fn several_seeds_give_median_and_spread() {
    let directory = directory();
    let path = directory.path();
    let (train, dev) = (keyword_table(path, "train.tsv", 100, 1), keyword_table(path, "dev.tsv", 40, 2));
    let output = finetune(path, "classification", &train, &dev, &["--epochs", "1", "--seeds", "3", "--from-scratch"]);
    succeeds(&output);
    let results = results(path);
    let seeds = results["seeds"].as_object().unwrap();
    let mut values: Vec<f64> = seeds.values().map(|seed| seed["dev"]["accuracy"].as_f64().unwrap()).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values.len(), 3);
    assert_eq!(results["metrics"]["accuracy"]["median"], values[1]);
    assert_eq!(results["metrics"]["accuracy"]["most"], values[2]);
    let by_loss = directory.path().join("by-loss");
    std::fs::create_dir(&by_loss).unwrap();
    let more = ["--epochs", "1", "--seeds", "3", "--from-scratch", "--metric", "loss"];
    succeeds(&finetune(&by_loss, "classification", &train, &dev, &more));
    for (run, metric, sign) in [(path.join("run"), "accuracy", 1.0), (by_loss.join("run"), "loss", -1.0)] {
        let best_of = |seed: u64| {
            let text = std::fs::read_to_string(run.join(format!("seed-{seed}/metrics.jsonl"))).unwrap();
            let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let valid = records.filter(|record| record["split"] == "valid" && record["step"].as_u64() > Some(0));
            valid.filter_map(|record| Some(sign * record[metric].as_f64()?)).fold(f64::NEG_INFINITY, f64::max)
        };
        let best = [43, 44].into_iter().fold(42, |best, seed| if best_of(seed) > best_of(best) { seed } else { best });
        let weights = |of: &str| std::fs::read(run.join(of).join("model/model.safetensors")).unwrap();
        assert!(weights("") == weights(&format!("seed-{best}")), "{metric}: the model is not that of seed {best}");
    }
}

#[test]
fn several_labels_a_text() {
    let directory = directory();
    let path = directory.path();
    let table = |name: &str, count, seed| {
        let mut lines = String::new();
        for words in with_stone(count, seed) {
            let labels = if has_stone(&words) { ["text", "stone"] } else { ["text", "plain"] };
            writeln!(lines, "{}", serde_json::json!({"text": words.join(" "), "labels": labels})).unwrap();
        }
        write(path.join(name), &lines)
    };
    let (train, dev) = (table("train.jsonl", 400, 1), table("dev.jsonl", 100, 2));
    let output = finetune(path, "classification", &train, &dev, &["--epochs", "25"]);
    succeeds(&output);
    let judged = evaluate(path, &dev);
    assert!(judged["micro_f1"].as_f64().unwrap() > 0.95, "{judged}");
}

#[test]
fn a_number_for_a_text() {
    let directory = directory();
    let path = directory.path();
    let table = |name: &str, count, seed| {
        let mut table = String::from("text,score\n");
        for words in with_stone(count, seed) {
            let score = words.iter().filter(|word| ["stone", "wood", "water"].contains(word)).count();
            writeln!(table, "{},{score}", words.join(" ")).unwrap();
        }
        write(path.join(name), &table)
    };
    let (train, dev) = (table("train.csv", 600, 1), table("dev.csv", 100, 2));
    let output = finetune(path, "regression", &train, &dev, &["--epochs", "6"]);
    succeeds(&output);
    let judged = evaluate(path, &dev);
    assert!(judged["pearson"].as_f64().unwrap() > 0.8, "{judged}");
    let expected = results(path);
    let baseline = &expected["baseline"]["metrics"];
    assert!(baseline["mean_absolute_error"].is_f64() && baseline.get("pearson").is_none(), "{baseline}");

    // Of a finished run nothing is left to do but to judge it again, without dropout.
    let output = electra(path, &["finetune", "--device", CPU, "--no-tui", "--resume", "run"]);
    succeeds(&output);
    assert_eq!(results(path), expected);
}

#[test]
fn tags_of_words() {
    let directory = directory();
    let path = directory.path();
    let table = |name: &str, count, seed| {
        let mut lines = String::from("-DOCSTART- O\n\n");
        for words in with_stone(count, seed) {
            for word in words {
                let tag = if ["stone", "wood"].contains(&word) { "B-thing" } else { "O" };
                writeln!(lines, "{word} {tag}").unwrap();
            }
            lines.push('\n');
        }
        write(path.join(name), &lines)
    };
    let (train, dev) = (table("train.conll", 200, 1), table("dev.conll", 50, 2));
    // So short that every sentence becomes several features.
    let output = finetune(path, "token-classification", &train, &dev, &["--epochs", "3", "--max-length", "8"]);
    succeeds(&output);
    let judged = evaluate(path, &dev);
    assert!(judged["f1"].as_f64().unwrap() > 0.95, "{judged}");
    // The tokenizer drops a lone variation selector, so that it has no piece to speak for it.
    let input = write(path.join("input.txt"), "the stone in it\n\nwood\nthe \u{fe0f} stone\n");
    let output = electra(path, &["predict", "--device", CPU, "--model", "run/model", "--input", &input]);
    assert_eq!(text(&output.stdout), "O B-thing O O\n\nB-thing\nO O B-thing\n");
}

#[test]
fn answers_in_a_context() {
    let directory = directory();
    let path = directory.path();
    // The answer is "stone", where it is there.
    let set = |name: &str, count, seed| {
        let question = |(number, words): (usize, Vec<&str>)| {
            let context = words.join(" ");
            let place = context.find("stone");
            let answers: Vec<Value> =
                place.iter().map(|start| serde_json::json!({"text": "stone", "answer_start": start})).collect();
            let question = serde_json::json!({
                "id": format!("{number}"), "question": "the water", "answers": answers, "is_impossible": place.is_none(),
            });
            serde_json::json!({"context": context, "qas": [question]})
        };
        let paragraphs: Vec<Value> = with_stone(count, seed).into_iter().enumerate().map(question).collect();
        let set = serde_json::json!({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]});
        write(path.join(name), &set.to_string())
    };
    let (train, dev) = (set("train.json", 400, 1), set("dev.json", 100, 2));
    let output = finetune(path, "question-answering", &train, &dev, &["--epochs", "6"]);
    succeeds(&output);
    let judged = evaluate(path, &dev);
    assert!(judged["exact_match"].as_f64().unwrap() > 0.9, "{judged}");
    let baseline = results(path)["baseline"]["metrics"]["exact_match"].as_f64().unwrap();
    assert!((0.3..0.7).contains(&baseline), "without an answer half of them are right: {baseline}");
    let input = write(path.join("input.tsv.txt"), "the water\tit and stone of the wood in a\n");
    let output = electra(path, &["predict", "--device", CPU, "--model", "run/model", "--input", &input, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((answer["answer"].as_str(), answer["start"].as_u64()), (Some("stone"), Some(7)), "{answer}");
}

/// Finding 3: documents that a run lacks were not counted. Finding 18: a run was resumed over other documents.
#[test]
fn documents_of_a_query_are_ranked() {
    let directory = directory();
    let path = directory.path();
    let table = |name: &str, queries: usize, seed| {
        let mut table = String::from("qid\tquery\tdoc\tlabel\n");
        for (number, words) in with_stone(queries * 6, seed).into_iter().enumerate() {
            let grade = usize::from(has_stone(&words)) + usize::from(has_stone(&words) && words[0] == "the");
            writeln!(table, "q{}\tthe water\t{}\t{grade}", number / 6, words.join(" ")).unwrap();
        }
        write(path.join(name), &table)
    };
    let (train, dev) = (table("train.tsv", 80, 1), table("dev.tsv", 20, 2));
    let output = finetune(path, "ranking", &train, &dev, &["--epochs", "20"]);
    succeeds(&output);
    let judged = evaluate(path, &dev);
    let random = results(path)["baseline"]["metrics"]["map"].as_f64().unwrap();
    let map = judged["map"].as_f64().unwrap();
    assert!(map > 0.9 && map > random + 0.1, "{map}, at random {random}");
    for name in ["mrr", "ndcg@10", "recall@10", "precision@1", "hit_rate@10"] {
        assert!(judged[name].is_f64(), "{name}");
    }

    // Relevant documents that the run lacks count.
    write(path.join("queries.tsv"), "q1\tthe water\nq2\tthe water\n");
    write(path.join("documents.tsv"), "d1\tthe stone\nd2\tthe stone of wood\nd3\tof wood\n");
    let qrels = write(path.join("test.qrels"), "q1 0 d1 1\nq1 0 d2 1\nq1 0 d3 0\nq2 0 d1 1\n");
    write(path.join("test.run"), "q1 Q0 d1 1 0.9 tag\n");
    let judged = evaluate(path, &qrels);
    assert_eq!((judged["map"].as_f64(), judged["recall@10"].as_f64()), (Some(0.25), Some(0.25)), "{judged:#}");
    let table = &judged["tables"][0];
    assert_eq!(table["rows"][0], serde_json::json!([2, 1, 3, 0, 1, 0]), "{table:#}");

    // Qrels with their neighbours are one set: a resume notices when any of them changes.
    let qrels = write(path.join("train.qrels"), "q1 0 d1 1\nq1 0 d3 0\nq2 0 d2 1\nq2 0 d3 0\n");
    std::fs::rename(path.join("run"), path.join("before")).unwrap();
    succeeds(&finetune(path, "ranking", &qrels, &qrels, &["--epochs", "1"]));
    write(path.join("documents.tsv"), "d1\tthe water\nd2\tthe stone of wood\nd3\tof wood\n");
    let resumed = electra(path, &["finetune", "--device", CPU, "--resume", "run"]);
    refused(&resumed, &["the data are others"]);
}

#[test]
fn wrong_input_names_file_line_and_column() {
    let directory = directory();
    let path = directory.path();
    let good = keyword_table(path, "good.tsv", 40, 1);
    let file = |name: &str, text: &str| write(path.join(name), text);
    let run = |task: &str, train: &str, dev: &str| {
        let output = finetune(path, task, train, dev, &[]);
        assert!(!path.join("run").exists(), "something was written");
        output
    };
    let classify = |train: &str, dev: &str| run("classification", train, dev);

    refused(&classify(&file("a.tsv", "label\tabstract\nx\ty\n"), &good), &["a.tsv:1:", "\"text\"", "abstract"]);
    refused(&classify(&file("b.tsv", "kind\ttext\nx\ty\n"), &good), &["b.tsv", "\"label\"", "--label-column"]);
    refused(&classify(&file("c.tsv", "label\ttext\nx\ta\ny\n"), &good), &["c.tsv:3:", "1 field"]);
    refused(&classify(&good, &file("d.tsv", "label\ttext\n-\ta\n\tb\n")), &["d.tsv", "no row has a label"]);
    refused(&classify(&file("e.tsv", ""), &good), &["e.tsv", "empty"]);
    refused(&classify(&file("f.tsv", "label\ttext\nx\ta\nx\tb\n"), &good), &["f.tsv", "label", "only \"x\""]);
    refused(&run("regression", &good, &good), &["good.tsv:2:", "score", "is not a number"]);
    let tags = file("g.conll", "the O\nstone B-x\nwood B-x O\n");
    refused(&run("token-classification", &tags, &tags), &["g.conll:3:"]);
    let set = r#"{"data": [{"paragraphs": [{"context": "the stone", "qas": [{"id": "q1", "question": "what",
        "answers": [{"text": "stone", "answer_start": 40}]}]}]}]}"#;
    let set = file("h.json", set);
    refused(&run("question-answering", &set, &set), &["h.json", "q1", "answer"]);
    refused(&run("ranking", &file("i.tsv", "query\tdoc\tlabel\na\tb\t-1\n"), &good), &["i.tsv:2:", "label", "-1"]);
    refused(&classify("absent.tsv", &good), &["absent.tsv"]);

    // A metric and a length that cannot be, and a model that is none.
    refused(
        &finetune(path, "classification", &good, &good, &["--metric", "bleu"]),
        &["metric", "accuracy", "matthews"],
    );
    refused(&finetune(path, "classification", &good, &good, &["--max-length", "4000"]), &["data.max_length", "4000"]);
    refused(&electra(path, &["evaluate", "--model", "absent", "--data", &good]), &["absent"]);
    let encoder = encoder().to_string_lossy();
    refused(&electra(path, &["predict", "--model", &encoder]), &["config.json", "electra finetune"]);
}

#[test]
fn bad_rows_can_be_left_out_and_are_counted() {
    let directory = directory();
    let path = directory.path();
    let mut rows = std::fs::read_to_string(keyword_table(path, "good.tsv", 40, 1)).unwrap();
    rows.push_str("stone\nnone\ta\tb\n");
    let train = write(path.join("train.tsv"), &rows);
    let dev = write(path.join("dev.tsv"), &format!("{}moon\tthe water\n", rows.replace("stone\nnone\ta\tb\n", "")));
    let output = finetune(path, "classification", &train, &dev, &["--epochs", "1", "--skip-bad-rows"]);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("train: 40 examples") && said.contains("2 bad rows left out"), "{said}");
    assert!(
        said.contains("dev: 41 examples") && said.contains("1 row with labels that the model does not know"),
        "{said}"
    );
}

#[test]
fn dropout_is_the_encoders_unless_it_is_set() {
    let directory = directory();
    let path = directory.path();
    let table = keyword_table(path, "train.tsv", 40, 1);
    let dropout = |run: &Path| {
        let text = std::fs::read_to_string(run.join("config.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["hidden_dropout_prob"].clone()
    };
    succeeds(&finetune(path, "classification", &table, &table, &["--epochs", "1"]));
    assert_eq!(dropout(&path.join("run/model")), dropout(encoder()));
    std::fs::remove_dir_all(path.join("run")).unwrap();
    succeeds(&finetune(path, "classification", &table, &table, &["--epochs", "1", "--set", "dropout=0.25"]));
    assert_eq!(dropout(&path.join("run/model")), 0.25);
}

//! Recommendation as a user runs it, on sessions whose next item is known to be predictable.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, read, refused, succeeds, text};
use electra_burn::data::{Purpose, Rng};
use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// Items that sessions go round; their names are of the kinds that a tokenizer of text would change or cut.
const ITEMS: usize = 60;

fn name(item: usize) -> String {
    match item % 3 {
        0 => format!("B-0{item}.x"),
        1 => format!("b-0{}.x", item - 1),
        _ => format!("##Café/{item}"),
    }
}

/// Where a session goes on: 7 times in 10 to the next item of a cycle, otherwise anywhere, to early items more often.
fn next(item: usize, rng: &mut Rng) -> usize {
    match rng.below(10) {
        0..7 => (item + 7) % ITEMS,
        _ => rng.below(ITEMS).min(rng.below(ITEMS)),
    }
}

fn sessions(count: usize, seed: u64) -> Vec<Vec<usize>> {
    let session = |row: usize| {
        let mut rng = Rng::new(seed, Purpose::Order, 0, row as u64);
        let mut items = vec![rng.below(ITEMS).min(rng.below(ITEMS))];
        for _ in 0..3 + rng.below(8) {
            items.push(next(items[items.len() - 1], &mut rng));
        }
        items
    };
    (0..count).map(session).collect()
}

fn line(session: &[usize]) -> String {
    session.iter().map(|&item| name(item)).collect::<Vec<_>>().join(" ") + "\n"
}

fn write(directory: &Path, file: &str, text: &str) -> String {
    std::fs::write(directory.join(file), text).unwrap();
    file.to_owned()
}

fn file(directory: &Path, name: &str, count: usize, seed: u64) -> String {
    write(directory, name, &sessions(count, seed).iter().map(|session| line(session)).collect::<String>())
}

fn recommend(directory: &Path, train: &str, dev: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["finetune", "--device", CPU, "--no-tui", "--task", "recommendation"];
    all.extend(["--train", train, "--dev", dev, "--output", "run"]);
    all.extend(arguments);
    electra(directory, &all)
}

/// A pair that is small enough for tests.
const MICRO: [&str; 10] = [
    "--set",
    "pretraining.model.embedding_size=32",
    "pretraining.model.hidden_size=32",
    "pretraining.model.intermediate_size=64",
    "pretraining.model.hidden_dropout_prob=0.0",
    "pretraining.model.attention_probs_dropout_prob=0.0",
    "pretraining.generator.hidden_size=32",
    "pretraining.generator.intermediate_size=64",
    "pretraining.generator.num_attention_heads=1",
    "pretraining.model.num_attention_heads=1",
];

fn results(directory: &Path) -> Value {
    serde_json::from_str(&read(directory.join("run/results.json"))).unwrap()
}

fn evaluate(directory: &Path, data: &str) -> Value {
    let arguments = ["evaluate", "--device", CPU, "--model", "run/model", "--data", data, "--json"];
    let output = electra(directory, &arguments);
    succeeds(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_comes_next_is_learned_and_suggested() {
    let directory = directory();
    let path = directory.path();
    let (train, dev) = (file(path, "train.txt", 900, 1), file(path, "dev.txt", 100, 2));
    // A session ends in an item that nobody has chosen before, another has one in its middle.
    let mut lines: String = sessions(198, 3).iter().map(|session| line(session)).collect();
    lines += &format!("{} new\n{} new {}\n", name(3), name(3), name(10));
    let test = write(path, "test.txt", &lines);
    let mut arguments = vec!["--test", &test, "--epochs", "60", "--learning-rate", "5e-3"];
    arguments.extend(MICRO);
    succeeds(&recommend(path, &train, &dev, &arguments));
    let results = results(path);
    for part in ["dev", "test"] {
        let of = |name: &str| results[part][name].as_f64().unwrap();
        // The cycle is followed 7 times in 10.
        assert!((0.5..0.85).contains(&of("hit_rate@1")), "{results:#}");
        assert!(of("hit_rate@10") > of("ndcg@10") && of("ndcg@10") > of("hit_rate@1"), "{results:#}");
    }
    let popular = &results["baseline"]["metrics"];
    assert_eq!(results["baseline"]["name"], "the most frequent items");
    assert!((0.1..0.4).contains(&popular["hit_rate@10"].as_f64().unwrap()), "{results:#}");
    assert!(popular["ndcg@10"].as_f64().unwrap() < 0.2, "{results:#}");

    // The model that was written is the one that was judged.
    let judged = evaluate(path, &test);
    for metric in ["hit_rate@1", "hit_rate@10", "mrr", "ndcg@10"] {
        assert_eq!(judged[metric], results["test"][metric], "{metric}");
    }
    assert_eq!(
        (&judged["sessions"], &judged["tables"][0]["rows"][0]),
        (&200.into(), &serde_json::json!([200, 60, 1, 1]))
    );
    answers_follow_the_lines(path);
    for network in ["discriminator", "generator"] {
        let model = path.join("run/model").join(network);
        assert!(read(model.join("tokenizer.json")).contains("WordLevel"));
        let config: Value = serde_json::from_str(&read(model.join("config.json"))).unwrap();
        assert_eq!((&config["vocab_size"], &config["max_position_embeddings"]), (&65.into(), &52.into()));
    }
}

/// Answers come in the order of the lines, for sessions of any length, with what the model does not know, and for none.
fn answers_follow_the_lines(path: &Path) {
    let asked = sessions(300, 4);
    let mut lines: String = asked.iter().map(|session| line(session)).collect();
    let some = line(&asked[0]);
    lines += &format!("unknown {some}\n{}{some}", format!("{} ", name(11)).repeat(200));
    let input = write(path, "input.txt", &lines);
    let base = ["predict", "--device", CPU, "--model", "run/model", "--input", &input];
    let output = electra(path, &[base.as_slice(), &["--json"]].concat());
    succeeds(&output);
    let answers: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 303);
    let first = |answer: &Value| answer["top"][0]["item"].as_str().unwrap().to_owned();
    let right = asked.iter().zip(&answers).filter(|(s, answer)| first(answer) == name((s[s.len() - 1] + 7) % ITEMS));
    let right = right.count();
    assert!(right > 200, "{right} of 300, as if they came in another order");
    assert_eq!(answers[300], answers[0], "an unknown item is not left out");
    assert!(answers.iter().all(|answer| answer["top"].as_array().unwrap().len() == 10));

    // A table has an answer a user, who may have chosen a single item.
    let rows = format!("user_id,item_id,timestamp\nu,{},2\nv,{},1\nu,{},1\n", name(3), name(4), name(2));
    let table = write(path, "table.csv", &rows);
    let output = electra(path, &["predict", "--device", CPU, "--model", "run/model", "--input", &table, "--json"]);
    succeeds(&output);
    let users: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.iter().map(|user| user["id"].as_str().unwrap()).collect::<Vec<_>>(), ["u", "v"]);
    assert!(text(&output.stderr).contains("a table of users and items: 2 users"), "{}", text(&output.stderr));

    let rounded = electra(path, &[base.as_slice(), &["--precision", "f32"]].concat());
    refused(&rounded, &["products in f32", "a recommender has the widest format"]);

    let output = electra(path, &[base.as_slice(), &["--top-k", "60"]].concat());
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 303);
    let fields: Vec<&str> = lines[0].split('\t').collect();
    assert_eq!((fields.len(), fields[0]), (120, first(&answers[0]).as_str()));
    let sum: f64 = fields.iter().skip(1).step_by(2).map(|field| field.parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 0.01, "{sum}");
}

#[test]
fn a_stopped_run_goes_on_to_the_same_model() {
    let directory = directory();
    let path = directory.path();
    let (train, dev) = (file(path, "train.txt", 100, 1), file(path, "dev.txt", 20, 2));
    let mut arguments = vec!["--epochs", "10", "--max-length", "8", "--batch-size", "16"];
    arguments.extend(MICRO);
    arguments.push("pretraining.training.keep_checkpoints=100");
    succeeds(&recommend(path, &train, &dev, &arguments));
    let run = path.join("run");
    let model = || std::fs::read(run.join("model/discriminator/model.safetensors")).unwrap();
    let expected = (model(), results(path));

    // As if the process had died after an early checkpoint.
    let mut checkpoints: Vec<_> =
        std::fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    checkpoints.sort();
    assert!(checkpoints.len() > 5, "{checkpoints:?}");
    checkpoints[3..].iter().for_each(|checkpoint| std::fs::remove_dir_all(checkpoint).unwrap());
    std::fs::remove_dir_all(run.join("model")).unwrap();
    std::fs::remove_file(run.join("results.json")).unwrap();
    succeeds(&electra(path, &["finetune", "--device", CPU, "--no-tui", "--resume", "run"]));
    assert_eq!(results(path), expected.1);
    assert!(model() == expected.0, "the weights differ");

    // Other sessions are another run.
    file(path, "train.txt", 100, 5);
    let output = electra(path, &["finetune", "--device", CPU, "--no-tui", "--resume", "run"]);
    refused(&output, &["data.train", "others"]);
}

#[test]
fn several_seeds_stop_early_and_leave_the_best_model() {
    let directory = directory();
    let path = directory.path();
    let (train, dev) = (file(path, "train.txt", 60, 1), file(path, "dev.txt", 20, 2));
    let mut arguments = vec!["--epochs", "400", "--seeds", "2", "--early-stopping", "1", "--learning-rate", "3e-2"];
    arguments.extend(MICRO);
    arguments.push("candidates=5");
    succeeds(&recommend(path, &train, &dev, &arguments));
    let results = results(path);
    let seeds = results["seeds"].as_object().unwrap();
    assert_eq!(seeds.len(), 2);
    assert!(seeds.values().all(|seed| seed["steps"].as_u64().unwrap() < 800), "{results:#}");
    assert!(results["metrics"]["ndcg@10"]["median"].is_f64());
    let best = seeds[&results["best_seed"].to_string()]["dev"]["ndcg@10"].clone();
    assert_eq!(evaluate(path, &dev)["ndcg@10"], best);
}

#[test]
fn wrong_input_names_file_and_line() {
    let directory = directory();
    let path = directory.path();
    let good = file(path, "good.txt", 40, 1);
    let run = |train: &str, dev: &str, arguments: &[&str]| {
        let output = recommend(path, train, dev, arguments);
        assert!(!path.join("run").exists(), "something was written");
        output
    };
    let bad = |name: &str, text: &str| write(path, name, text);
    refused(&run(&bad("a.txt", "x y\nz\n"), &good, &[]), &["a.txt:2:", "\"z\"", "two items"]);
    refused(&run(&bad("b.txt", ""), &good, &[]), &["b.txt", "no sessions"]);
    refused(&run(&bad("c.txt", "x [MASK]y\n"), &good, &[]), &["c.txt:1:", "[MASK]"]);
    refused(&run(&good, &bad("d.txt", "\nx y\nx z\n"), &[]), &["d.txt:2:", "\"y\"", "training"]);
    refused(&run(&good, &good, &["--test", &bad("e.txt", "x y\n")]), &["e.txt:1:", "\"y\""]);
    refused(&run(&good, "absent.txt", &[]), &["absent.txt"]);
    refused(&run(&good, &good, &["--max-length", "5"]), &["data.max_length", "5"]);
    refused(&run(&good, &good, &["--model", "encoder"]), &["model", "a pair is made for the items"]);
    refused(&run(&good, &good, &["--multi-label"]), &["data.multi_label"]);
    refused(&run(&good, &good, &["--metric", "bleu"]), &["metric", "mlm_loss", "bleu"]);
    refused(&run(&good, &good, &["--set", "pretraining.model.hiden_size=8"]), &["pretraining", "hiden_size"]);
    refused(&run(&good, &good, &["--set", "pretraining.model.vocab_size=8"]), &["pretraining.model.vocab_size"]);
    let pairs = ["--set", "pretraining.evaluation.pairs=english"];
    refused(&run(&good, &good, &pairs), &["pretraining.evaluation.pairs: items are no sentences"]);
    refused(&run(&good, &good, &["--set", "pretraining.model.hidden_size=7"]), &["pretraining.model.hidden_size", "7"]);
    let classify = ["finetune", "--task", "classification", "--train", &good, "--dev", &good, "--output", "run"];
    refused(&electra(path, &classify), &["model", "--model DIR"]);

    let mixed = bad("f.txt", &format!("{}alone\n", read(path.join("good.txt"))));
    let mut arguments = vec!["--epochs", "1", "--skip-bad-rows"];
    arguments.extend(MICRO);
    let output = recommend(path, &mixed, &mixed, &arguments);
    succeeds(&output);
    let said = text(&output.stdout);
    assert!(said.contains("train: 40 sessions") && said.contains("1 bad rows left out; the first: f.txt:41"), "{said}");
    let other = bad("g.txt", "x y\n");
    let evaluated = electra(path, &["evaluate", "--device", CPU, "--model", "run/model", "--data", &other]);
    refused(&evaluated, &["g.txt:1:"]);
}

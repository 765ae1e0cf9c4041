//! `electra report`: a page and pictures of runs, whole and damaged.

use crate::common::backends::CPU;
use crate::common::program::{directory, electra, pretrain, read, refused, succeeds, text};
use std::path::Path;
use std::process::Output;

fn report(at: &Path, arguments: &[&str]) -> Output {
    electra(at, &[&["report"], arguments].concat())
}

/// The page of the run `run` in `at`.
fn page(at: &Path, run: &str) -> String {
    succeeds(&report(at, &[run]));
    let page = read(at.join(run).join("report.html"));
    well_formed(&page);
    page
}

/// The page needs nothing from elsewhere, and its elements are closed in their order.
fn well_formed(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>"));
    for resource in ["http:", "https:", "src=", "url(", "@import", "<link", "<script", "<iframe"] {
        assert!(!page.contains(resource), "{resource}");
    }
    closed(page.trim_start_matches("<!DOCTYPE html>"), &["meta"]);
}

/// Every element is closed but those of `void`, and there is no bare `&` between them.
fn closed(markup: &str, void: &[&str]) {
    let mut open: Vec<&str> = Vec::new();
    for part in markup.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("<{part}"));
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') && !void.contains(&name) {
            open.push(name);
        }
        if open.last() != Some(&"style") {
            for entity in text.split('&').skip(1) {
                let name = entity.split(';').next().unwrap();
                assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "&{name}");
            }
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// A value as the page shows it.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        ..0.001 => format!("{value:.2e}"),
        _ => format!("{value:.4}"),
    }
}

#[test]
fn a_report_has_the_figures_of_the_run() {
    let directory = directory();
    let at = directory.path();
    let name = "a<b>&'c'";
    succeeds(&pretrain(at, &["--output", name]));
    let run = at.join(name);
    let samples = r#"{"step":10,"tokens":[{"token":"wen<t","original":"s&t","probability":0.93},{"token":"by","probability":0.1}]}"#;
    std::fs::write(run.join("samples.jsonl"), format!("{samples}\n")).unwrap();
    let figures = at.join("figures");
    let output = report(at, &[name, "--output", "out/page.html", "--figures", "figures"]);
    succeeds(&output);
    assert_eq!(text(&output.stdout), "out/page.html\nfigures  11 pictures, as SVG and PNG\n");
    let page = read(at.join("out/page.html"));
    well_formed(&page);

    let records: Vec<serde_json::Value> =
        read(run.join("metrics.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = records.iter().rfind(|record| record["split"] == "valid").unwrap();
    for name in ["mlm_loss", "mlm_accuracy", "disc_loss", "disc_entropy", "disc_auc", "replaced"] {
        let value = figure(last[name].as_f64().unwrap());
        assert!(page.contains(&format!(">{value}</td>")), "{name} {value}");
    }
    let facts: serde_json::Value = serde_json::from_str(&read(run.join("run.json"))).unwrap();
    let corpus = &facts["corpus"];
    for part in [
        "<title>a&lt;b&gt;&amp;&#39;c&#39;</title>".to_owned(),
        ">finished</span>".to_owned(),
        "step 20 of 20".to_owned(),
        "vocab_size = 300".to_owned(),
        format!("{} documents", corpus["documents"]),
        "300 tokens".to_owned(),
        "flex (CPU".to_owned(),
        "<del>s&amp;t</del><ins".to_owned(),
        "1 of 1 replaced tokens found".to_owned(),
        "electra pretrain &#39;a&lt;b&gt;&amp;".to_owned(),
    ] {
        assert!(page.contains(&part), "{part}");
    }
    assert_eq!(facts["sessions"][0]["step"], 0);
    assert!(facts["sessions"][0]["seconds"].as_f64().unwrap() > 0.0 && facts["parameters"].as_u64().unwrap() > 1000);
    // The card of the exported model tells the same.
    let card = read(run.join("discriminator/README.md"));
    assert!(card.contains(&format!("{} documents, {} tokens", corpus["documents"], corpus["tokens"])), "{card}");
    assert!(card.contains("| device | flex (CPU") && card.contains("| time of the run |"), "{card}");

    assert_eq!(page.matches("<svg ").count(), 11);
    for entry in std::fs::read_dir(&figures).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "svg" => closed(&text(&bytes), &[]),
            "png" => {
                assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
                assert_eq!(bytes[16..24], [1280_u32.to_be_bytes(), 620_u32.to_be_bytes()].concat());
                assert!(bytes.len() > 5000, "{} is nearly empty", path.display());
            }
            other => panic!("{other}"),
        }
    }
    for name in ["mlm_loss", "disc_loss", "disc_auc", "learning_rate", "grad_norm", "tokens_per_second"] {
        assert!(
            figures.join(format!("{name}.svg")).is_file() && figures.join(format!("{name}.png")).is_file(),
            "{name}"
        );
    }
}

#[test]
fn a_run_that_went_on_tells_all_its_processes() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=10"]));
    succeeds(&electra(at, &["pretrain", "--device", CPU, "--resume", "run", "--set", "training.steps=20"]));
    let facts: serde_json::Value = serde_json::from_str(&read(at.join("run/run.json"))).unwrap();
    let steps: Vec<_> = facts["sessions"].as_array().unwrap().iter().map(|session| session["step"].as_u64()).collect();
    assert_eq!(steps, [Some(0), Some(10)]);
    let page = page(at, "run");
    assert!(page.contains("after step") && page.contains("<th>processes</th><td>2</td>"), "{page}");
    // A model that is exported later has its card from the same file.
    succeeds(&electra(at, &["export", "run", "--output", "exported"]));
    let card = read(at.join("exported/generator/README.md"));
    assert!(card.contains("| training text |") && card.contains("| device | flex (CPU"), "{card}");
}

#[test]
fn a_fine_tuning_run_is_reported_too() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=2"]));
    let table: String = (0..32).map(|row| format!("{}\twater and wood\n", ["a", "b"][row % 2])).collect();
    std::fs::write(at.join("it's <data>.tsv"), format!("label\ttext\n{table}")).unwrap();
    let data = ["--train", "it's <data>.tsv", "--dev", "it's <data>.tsv", "--model", "run/discriminator"];
    let finetune = ["finetune", "--device", CPU, "--task", "classification", "--epochs", "2", "--output", "tuned"];
    succeeds(&electra(at, &[&finetune[..], &data].concat()));
    let page = page(at, "tuned");
    let results: serde_json::Value = serde_json::from_str(&read(at.join("tuned/results.json"))).unwrap();
    let accuracy = figure(results["dev"]["accuracy"].as_f64().unwrap());
    for part in [
        "Fine-tuning for classification",
        "train 32, dev 32",
        &format!("<td>Accuracy</td><td class=\"n\">{accuracy}</td>"),
        "--train &#39;it&#39;\\&#39;&#39;s &lt;data&gt;.tsv&#39;",
        "aria-label=\"Loss\"",
        "aria-label=\"Accuracy\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(read(at.join("tuned/model/README.md")).contains("| examples | dev 32, train 32 |"));

    // The command that the page has for repeating the run repeats it.
    let command = page.split("# repeat it\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let unescaped = command.replace("&#39;", "'").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
    let program = format!("{} finetune --device {CPU} ", env!("CARGO_BIN_EXE_electra"));
    let script = unescaped.replacen("electra finetune ", &program, 1);
    if cfg!(unix) {
        let output = std::process::Command::new("sh").current_dir(at).args(["-c", &script]).output().unwrap();
        succeeds(&output);
        let records = |run: &str| {
            let line = |line: &str| {
                let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
                record.as_object_mut().unwrap().remove("tokens_per_second");
                record
            };
            read(at.join(run).join("metrics.jsonl")).lines().map(line).collect::<Vec<_>>()
        };
        assert_eq!(records("runs/again"), records("tuned"));
    }
}

#[test]
fn what_is_damaged_is_told_and_what_is_no_run_refused() {
    let directory = directory();
    let at = directory.path();
    succeeds(&pretrain(at, &["--output", "run", "--set", "training.steps=5"]));
    let run = at.join("run");
    let metrics = read(run.join("metrics.jsonl"));
    let (first, rest) = metrics.split_once('\n').unwrap();
    std::fs::write(run.join("metrics.jsonl"), format!("{first}\n<script>{{\"step\"\n{rest}")).unwrap();
    std::fs::write(run.join("run.json"), "[").unwrap();
    std::fs::write(run.join("samples.jsonl"), "{}\n").unwrap();
    std::fs::write(run.join("status.json"), r#"{"state":"failed","reason":"the <disk> is full"}"#).unwrap();
    let output = report(at, &["run"]);
    succeeds(&output);
    let page = read(run.join("report.html"));
    well_formed(&page);
    for problem in ["metrics.jsonl:2: ", "run.json: ", "samples.jsonl:1: "] {
        assert!(page.contains(problem) && text(&output.stderr).contains(problem), "{problem}");
    }
    assert!(page.contains("It failed: the &lt;disk&gt; is full"), "{page}");
    assert_eq!(page.matches("<svg ").count(), 11, "the other records are drawn");

    // Nothing but a status is left.
    for name in ["metrics.jsonl", "config.toml", "run.json", "samples.jsonl"] {
        std::fs::remove_file(run.join(name)).unwrap();
    }
    succeeds(&report(at, &["run"]));
    let page = read(run.join("report.html"));
    well_formed(&page);
    assert!(page.contains("metrics.jsonl: there is none yet") && page.contains("config.toml: "), "{page}");

    std::fs::create_dir(at.join("empty")).unwrap();
    refused(&report(at, &["empty"]), &["empty: there is no run here; expected a directory with config.toml"]);
    refused(&report(at, &["nowhere"]), &["nowhere: there is no run here"]);
    refused(&report(at, &["run", "--output", "empty"]), &["empty: the report cannot be written: it is a directory"]);
    std::fs::create_dir_all(at.join("seeds/seed-1")).unwrap();
    std::fs::write(at.join("seeds/seed-1/config.toml"), "").unwrap();
    refused(&report(at, &["seeds"]), &["expected the one below it, seeds/seed-1"]);
}

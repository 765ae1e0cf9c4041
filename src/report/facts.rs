//! Sections about where a run comes from: its text, its computer, its speed, and the commands that follow from it.

use super::RunReport;
use super::html::{count, date, gibibytes, pairs, quoted, section, table, verbatim};
use electra_runs::layout::{CONFIG, DISCRIMINATOR, MODEL};
use electra_runs::{RunState, settings};
use toml::Value;

const UNKNOWN: &str =
    "<p class=\"note\">Not recorded: the run was begun by a version that kept no facts of its own.</p>\n";

/// The text that was trained on.
pub(super) fn data(run: &RunReport) -> String {
    let mut rows = Vec::new();
    let list = |key: &str| {
        let values = run.value(key)?.as_array()?;
        Some(values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
    };
    if run.task().is_none() {
        let corpus = list("data.corpus").filter(|paths| !paths.is_empty());
        rows.push(("corpus", corpus.unwrap_or_else(|| "the one that is compiled in".into())));
    }
    for (name, key) in [("training data", "data.train"), ("dev data", "data.dev"), ("test data", "data.test")] {
        rows.extend(run.value(key).and_then(Value::as_str).map(|path| (name, path.to_owned())));
    }
    let of = |name: &str| run.facts.examples.get(name).map(|rows| count(*rows));
    let examples = ["train", "dev", "test"].iter().filter_map(|name| Some(format!("{name} {}", of(name)?)));
    let examples = examples.collect::<Vec<_>>().join(", ");
    if !examples.is_empty() {
        rows.push(("examples", examples));
    }
    if let Some(corpus) = &run.facts.corpus {
        let all = corpus.tokens.saturating_add(corpus.held_out_tokens).max(1) as f64;
        let part = |documents, tokens| format!("{} documents, {} tokens", count(documents), count(tokens));
        rows.push(("training text", part(corpus.documents, corpus.tokens)));
        let held_out = part(corpus.held_out_documents, corpus.held_out_tokens);
        rows.push(("held-out text", format!("{held_out} ({:.2} %)", 100.0 * corpus.held_out_tokens as f64 / all)));
        rows.push(("vocabulary", format!("{} tokens", count(corpus.vocab_size))));
        rows.push(("unknown tokens", format!("{:.3} %", 100.0 * corpus.unknown_share)));
        rows.push(("duplicate documents", count(corpus.duplicates)));
    }
    let unknown = if run.facts.sessions.is_empty() { UNKNOWN } else { "" };
    section("Data", &(pairs(rows) + unknown))
}

/// The computers and devices, one process after another.
pub(super) fn hardware(run: &RunReport) -> String {
    let Some(last) = run.facts.sessions.last() else { return section("Hardware", UNKNOWN) };
    let host = &last.host;
    let processor = host.processor.as_ref().unwrap_or(&host.architecture);
    let mut rows = vec![
        ("device", run.facts.devices().join(", then ")),
        ("processor", format!("{processor}, {} threads, {}", host.threads, host.architecture)),
    ];
    rows.extend(host.memory.map(|bytes| ("memory", gibibytes(bytes))));
    rows.push(("system", host.system.clone()));
    rows.push(("electra-burn", run.facts.version.clone()));
    let mut body = pairs(rows);
    if run.facts.sessions.len() > 1 {
        let row = |session: &electra_runs::Session| {
            let time = session.seconds.map_or_else(|| "not known".into(), |seconds| format!("{seconds:.0} s"));
            let host = session.host.processor.clone().unwrap_or_else(|| session.host.architecture.clone());
            vec![date(session.began), count(session.step), session.device.clone(), host, time]
        };
        let head = ["began", "after step", "device", "processor", "time"];
        body += &table(&head, run.facts.sessions.iter().map(row));
    }
    section("Hardware", &body)
}

/// How fast it was.
pub(super) fn speed(run: &RunReport) -> String {
    let mut rows = Vec::new();
    if let Some(speed) = run.metrics.median_speed() {
        rows.push(("tokens a second", format!("{} (median of the log records)", count(speed.round() as usize))));
        if let Some((least, most)) = run.metrics.get("tokens_per_second", "train").and_then(|curve| curve.extremes()) {
            let [least, most] = [least.1, most.1].map(|speed| count(speed.round() as usize));
            rows.push(("slowest and fastest", format!("{least} to {most}")));
        }
    }
    if run.metrics.tokens_seen > 0 {
        let seen = usize::try_from(run.metrics.tokens_seen).unwrap_or(usize::MAX);
        rows.push(("tokens seen", format!("{} (padding not counted)", count(seen))));
    }
    rows.push(("time of training", run.facts.time().unwrap_or_else(|| "not known yet".into())));
    rows.push(("processes", count(run.facts.sessions.len())));
    section("Speed", &pairs(rows))
}

/// The configuration as it stands in the run.
pub(super) fn configuration(run: &RunReport) -> String {
    match run.config_text.is_empty() {
        true => section("Configuration", "<p class=\"note\">There is no config.toml that can be read.</p>\n"),
        false => section("Configuration", &verbatim(&run.config_text)),
    }
}

/// The command lines that use, continue and repeat the run.
pub(super) fn commands(run: &RunReport) -> String {
    let path = |part: &str| quoted(run.path.join(part).display());
    let whole = quoted(run.path.display());
    let mut lines = Vec::new();
    let mut say = |what: &str, command: String| lines.push(format!("# {what}\n{command}\n"));
    let unfinished = run.state != RunState::Finished;
    match run.task() {
        None => {
            if unfinished {
                say("resume it", format!("electra pretrain --resume {whole}"));
            }
            say(
                "fine-tune the encoder",
                format!(
                    "electra finetune --task classification --model {} --train train.tsv --dev dev.tsv --output runs/tuned",
                    path(DISCRIMINATOR)
                ),
            );
            say("ask it", format!("electra corrupt {whole} \"The river carried the boat to the sea.\""));
            say(
                "open it in Python",
                format!("AutoModelForPreTraining.from_pretrained(\"{}\")", run.path.join(DISCRIMINATOR).display()),
            );
            say("repeat it", format!("electra pretrain {} --output runs/again", path(CONFIG)));
        }
        Some(task) => {
            if unfinished {
                say("resume it", format!("electra finetune --resume {whole}"));
            }
            let model = path(MODEL);
            say("let it answer", format!("electra predict --model {model} --input questions.txt"));
            say("judge it on other data", format!("electra evaluate --model {model} --data test.tsv"));
            say("repeat it", repeat(run, task));
        }
    }
    say("look at it in TensorBoard", format!("tensorboard --logdir {whole}"));
    section("Use and repeat", &verbatim(&lines.join("\n")))
}

/// Fine-tuning takes no configuration file: what has a flag of its own comes first, the rest by `--set`.
fn repeat(run: &RunReport, task: &str) -> String {
    const FLAGS: [(&str, &str); 4] =
        [("model", "--model"), ("data.train", "--train"), ("data.dev", "--dev"), ("data.test", "--test")];
    let mut command = format!("electra finetune --task {}", quoted(task));
    for (key, flag) in FLAGS {
        if let Some(value) = run.value(key).and_then(Value::as_str) {
            command += &format!(" {flag} {}", quoted(value));
        }
    }
    command += " --output runs/again \\\n  --set";
    for (key, value) in settings(&run.config) {
        if key != "task" && !FLAGS.iter().any(|(flag, _)| *flag == key) {
            command += &format!(" {}", quoted(format!("{key}={value}")));
        }
    }
    command
}

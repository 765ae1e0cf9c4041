//! What a fine-tuning run has come to, for programs and for people.

use super::task::Metrics;
use crate::config::FinetuneConfig;
use crate::config::Kind;
use electra_runs::{RunFacts, readable_count};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What a run has come to.
#[derive(Debug, Clone, Default)]
pub struct FinetuneReport {
    /// Steps done.
    pub steps: usize,
    /// Steps of the whole run.
    pub total_steps: usize,
    /// Time from the first step to the last validation; absent where nothing was left to do.
    pub elapsed: Option<Duration>,
    /// Who stopped the run before its last step.
    pub interrupted: Option<String>,
    /// Name and description of the device.
    pub device: String,
    /// What the run knows of itself: examples, devices, time.
    pub facts: RunFacts,
    /// The metric that says which checkpoint is the best.
    pub metric: String,
    /// The step of that checkpoint; absent where the run was stopped.
    pub best_step: Option<usize>,
    /// The metric's value in the validation of that step.
    pub best_value: Option<f64>,
    /// Its metrics on the data that chose it.
    pub dev: Metrics,
    /// Its metrics on the test data, where these have labels.
    pub test: Option<Metrics>,
    /// What a guess reaches that has seen no input, on the test data or else on dev, and how.
    pub baseline: Option<(String, Metrics)>,
}

impl FinetuneReport {
    /// The metrics that count: on the test data, or else on dev.
    pub fn judged(&self) -> &Metrics {
        self.test.as_ref().unwrap_or(&self.dev)
    }

    /// What `results.json` holds.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "steps": self.steps, "best_step": self.best_step, "metric": self.metric, "dev": self.dev,
            "device": self.device,
        });
        if let Some(test) = &self.test {
            json["test"] = json!(test);
        }
        if let Some((name, metrics)) = &self.baseline {
            json["baseline"] = json!({"name": name, "metrics": metrics});
        }
        json
    }
}

/// The `README.md` of a fine-tuned model.
pub(super) fn card(config: &FinetuneConfig, kind: Kind, report: &FinetuneReport) -> String {
    let pipeline = match kind {
        Kind::Classification | Kind::Regression | Kind::Ranking => "pipeline_tag: text-classification\n",
        Kind::TokenClassification => "pipeline_tag: token-classification\n",
        Kind::QuestionAnswering => "pipeline_tag: question-answering\n",
        // There is no pipeline that gives the next item.
        Kind::Recommendation => "",
    };
    let (made, kind) = (if kind == Kind::Recommendation { "Trained" } else { "Fine-tuned" }, kind.name());
    let version = env!("CARGO_PKG_VERSION");
    let mut card = format!(
        "---\nlibrary_name: transformers\n{pipeline}tags:\n- electra\n- electra-burn\n---\n\n\
         # ELECTRA for {kind}\n\n{made} with electra-burn {version}{}.\n\n## Training\n\n| | |\n|---|---|\n",
        if config.from_scratch { ", from fresh weights" } else { "" }
    );
    // Writing to a string cannot fail.
    let mut row = |what: &str, value: String| _ = writeln!(card, "| {what} | {value} |");
    row("steps", format!("{} (best by {}: {})", report.steps, report.metric, report.best_step.unwrap_or(report.steps)));
    let examples = report.facts.examples.iter().map(|(name, count)| format!("{name} {}", readable_count(*count)));
    row("examples", examples.collect::<Vec<_>>().join(", "));
    row("parameters", readable_count(report.facts.parameters));
    row("batch", format!("{} x {}", config.data.accumulation, config.data.batch_size));
    row("peak learning rate", config.optimizer.learning_rate.map_or("-".into(), |rate| rate.to_string()));
    row("layer-wise decay", config.optimizer.layerwise_decay.map_or("-".into(), |decay| decay.to_string()));
    row("longest text", config.data.max_length.map_or("-".into(), |length| format!("{length} tokens")));
    row("seed", config.seed.to_string());
    row("device", report.facts.devices().join(", then "));
    row("time of the run", report.facts.time().unwrap_or_else(|| "-".into()));
    let (on, baseline) = (if report.test.is_some() { "test" } else { "dev" }, report.baseline.as_ref());
    let name = baseline.map_or("-", |(name, _)| name);
    _ = write!(card, "\n## Metrics\n\n| metric | dev | {on} | {name} |\n|---|---|---|---|\n");
    for (metric, dev) in &report.dev {
        let of = |metrics: Option<&Metrics>| {
            metrics.and_then(|metrics| metrics.get(metric)).map_or("-".into(), |value| format!("{value:.4}"))
        };
        let (judged, baseline) = (of(Some(report.judged())), of(baseline.map(|(_, metrics)| metrics)));
        _ = writeln!(card, "| {metric} | {dev:.4} | {judged} | {baseline} |");
    }
    card
}

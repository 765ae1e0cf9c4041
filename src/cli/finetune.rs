//! `electra finetune`

use super::labelled::Labelled;
use super::training::{Training, path};
use electra_burn::config::{self, FinetuneConfig};
use electra_burn::tasks::{self, FinetuneReport, Kind, Metrics, SeedsReport};
use electra_burn::{Error, Result};
use electra_runs::counted;
use electra_runs::layout::CONFIG;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;

/// Fine-tune an encoder for a task, or train a pair that recommends items.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra finetune --task classification --model runs/mine/discriminator --train train.tsv --dev dev.tsv --output runs/intent
  electra finetune --task token-classification --model DIR --train train.conll --dev dev.conll --output runs/ner --seeds 3
  electra finetune --task classification --model runs/mine/discriminator --train all.tsv --dev-share 0.2 --output runs/intent
  electra finetune --task recommendation --train sessions.txt --dev dev.txt --output runs/next
  electra finetune --resume runs/intent")]
pub struct Arguments {
    /// classification, regression, token-classification, question-answering, ranking or recommendation
    #[arg(long, required_unless_present = "resume")]
    task: Option<Kind>,
    /// Directory of the encoder in Hugging Face's layout, for example runs/mine/discriminator; recommendation has none
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Labelled data to train on: TSV, CSV, JSON lines, CoNLL or SQuAD, as the task asks for; sessions of item ids, one a line
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    train: Option<PathBuf>,
    /// Labelled data to choose the best checkpoint by [default: a tenth of --train, which is not trained on then]
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// The share of --train that takes the place of --dev [default: 0.1]
    #[arg(long, value_name = "SHARE", conflicts_with = "dev")]
    dev_share: Option<f64>,
    /// Labelled data to judge the best checkpoint by
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Directory of the run, which must be new or empty
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    output: Option<PathBuf>,
    /// Resume the run in this directory
    #[arg(long, value_name = "RUN", conflicts_with_all = ["task", "model", "train", "dev", "dev_share", "test", "output"])]
    resume: Option<PathBuf>,
    /// With --resume: start over at step 0; checkpoints and records move into a folder of the run
    #[arg(long, requires = "resume")]
    restart: bool,
    /// Longest text in tokens [default: by the task, at most what the encoder was trained on]
    #[arg(long, value_name = "N")]
    max_length: Option<i64>,
    /// Metric that the best checkpoint is chosen by [default: the task's own]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Stop after this many validations in a row that are no better
    #[arg(long, value_name = "N")]
    early_stopping: Option<i64>,
    /// A text may have several labels, between | in TSV and CSV
    #[arg(long)]
    multi_label: bool,
    #[command(flatten)]
    labelled: Labelled,
    #[command(flatten)]
    training: Training,
}

impl Arguments {
    /// What was given, as keys of the configuration.
    fn flags(&self) -> Vec<(String, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        let truth = |flag: bool| flag.then_some(Value::Boolean(true));
        let mut flags = self.training.flags([
            ("task", self.task.map(|kind| text(kind.name()))),
            ("model", self.model.as_deref().map(path)),
            ("data.train", self.train.as_deref().map(path)),
            ("data.dev", self.dev.as_deref().map(path)),
            ("data.dev_share", self.dev_share.map(Value::Float)),
            ("data.test", self.test.as_deref().map(path)),
            ("data.max_length", self.max_length.map(Value::Integer)),
            ("metric", self.metric.as_deref().map(text)),
            ("early_stopping", self.early_stopping.map(Value::Integer)),
            ("data.multi_label", truth(self.multi_label)),
        ]);
        flags.extend(self.labelled.flags());
        flags
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    super::restart::check(arguments.restart, arguments.resume.is_some())?;
    let output = arguments.resume.clone().or_else(|| arguments.output.clone()).unwrap_or_default();
    let resume = arguments.resume.is_some();
    let seeds = seeds_below(&output, resume, usize::from(arguments.training.seeds));
    let saved = resume.then(|| match seeds {
        None => output.join(CONFIG),
        Some(_) => first_seed(&output).join(CONFIG),
    });
    if let Some(file) = saved.as_ref().filter(|file| !file.is_file()) {
        let message = format!("there is no run here; expected {}", file.display());
        return Err(Error::input(&output, message));
    }
    saved.as_ref().map_or(Ok(()), |file| config::check_kind(file, true))?;
    let config = FinetuneConfig::load(saved, &arguments.flags(), &arguments.training.set)?;
    if arguments.restart {
        super::restart::restart(&output)?;
    }
    let options = arguments.training.options(&output, resume)?;
    let interrupted = match seeds {
        None => {
            let report = tasks::finetune(&config, options)?;
            print(&output, &report);
            report.interrupted.is_some()
        }
        Some(seeds) => {
            let report = tasks::finetune_seeds(&config, seeds, options)?;
            print_seeds(&output, &report);
            report.runs.iter().any(|(_, report)| report.interrupted.is_some())
        }
    };
    Ok(if interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// How many seeds are run, where they are several: those of a run that is resumed stand in directories of their own.
fn seeds_below(output: &Path, resume: bool, seeds: usize) -> Option<usize> {
    let found = resume && !output.join(CONFIG).is_file() && first_seed(output).join(CONFIG).is_file();
    (seeds > 1 || found).then_some(seeds.max(2).max(if found { count_seeds(output) } else { 0 }))
}

fn seed_directories(output: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(output).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("seed-")?.parse::<u64>().ok();
    let mut found: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| number(&entry.path()).map(|number| (number, entry.path()))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn first_seed(output: &Path) -> PathBuf {
    seed_directories(output).into_iter().next().unwrap_or_else(|| output.join("seed-42"))
}

fn count_seeds(output: &Path) -> usize {
    seed_directories(output).len()
}

fn print(output: &Path, report: &FinetuneReport) {
    say!();
    if let Some(reason) = &report.interrupted {
        say!("stopped after step {} ({reason}); the checkpoint was saved", report.steps);
        say!("electra finetune --resume {}", output.display());
        return;
    }
    let best = report.best_step.unwrap_or(report.steps);
    let (steps, time) = (counted(report.steps, "step"), report.facts.time().unwrap_or_default());
    say!("{steps} in {time} on {}; best by {}: step {best}", report.device, report.metric);
    let baseline = report.baseline.as_ref();
    let (name, judged) = (baseline.map_or("-", |(name, _)| name), if report.test.is_some() { "test" } else { "" });
    say!("{:<24} {:>8} {judged:>8}  {name}", "", "dev");
    for (metric, dev) in &report.dev {
        let of = |metrics: Option<&Metrics>| {
            metrics.and_then(|metrics| metrics.get(metric)).map_or(String::new(), |value| format!("{value:.4}"))
        };
        let (test, baseline) = (of(report.test.as_ref()), of(baseline.map(|(_, metrics)| metrics)));
        say!("{metric:<24} {dev:>8.4} {test:>8}  {baseline}");
    }
    say!("\n{}\n  model/          for `electra predict`, and for Hugging Face", output.display());
    say!("  results.json    every figure above");
}

fn print_seeds(output: &Path, report: &SeedsReport) {
    if let Some((_, last)) = report.runs.iter().find(|(_, report)| report.interrupted.is_some()) {
        return print(output, last);
    }
    say!("\n{} seeds; the best on dev: {}", report.runs.len(), report.best_seed().unwrap_or_default());
    say!("{:<24} {:>8} {:>8} {:>8}", "", "median", "least", "most");
    for (metric, spread) in &report.metrics {
        say!("{metric:<24} {:>8.4} {:>8.4} {:>8.4}", spread.median, spread.least, spread.most);
    }
    say!("\n{}\n  model/          the best of them\n  results.json    all figures", output.display());
}

//! `electra finetune`

use super::reading::Bar;
use super::signals::signals;
use electra_burn::config::FinetuneConfig;
use electra_burn::corpus::Progress;
use electra_burn::tasks::{self, FinetuneOptions, FinetuneReport, Kind, Metrics, SeedsReport};
use electra_burn::{Error, Result, device};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;

/// Fine-tune an encoder for a task, or train a pair that recommends items.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra finetune --task classification --model runs/mine/discriminator --train train.tsv --dev dev.tsv --output runs/intent
  electra finetune --task token-classification --model DIR --train train.conll --dev dev.conll --output runs/ner --seeds 3
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
    /// Labelled data to choose the best checkpoint by
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    dev: Option<PathBuf>,
    /// Labelled data to judge the best checkpoint by
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Directory of the run, which must be new or empty
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    output: Option<PathBuf>,
    /// Go on with the run in this directory
    #[arg(long, value_name = "RUN", conflicts_with_all = ["task", "model", "train", "dev", "test", "output"])]
    resume: Option<PathBuf>,
    /// The encoder's size and tokenizer with fresh weights, to compare with
    #[arg(long)]
    from_scratch: bool,
    /// Run so many seeds and report median and spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// Seed [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<i64>,
    /// Passes over the training data [default: 3, or 10 for fewer than 8,000 examples; 50 for recommendation]
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Texts in a batch [default: 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<i64>,
    /// Peak learning rate of the head [default: by the encoder's width]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Longest text in tokens [default: by the task, at most what the encoder was trained on]
    #[arg(long, value_name = "N")]
    max_length: Option<i64>,
    /// Metric that the best checkpoint is chosen by [default: the task's own]
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// Stop after so many validations in a row that are no better
    #[arg(long, value_name = "N")]
    early_stopping: Option<i64>,
    /// A text may have several labels, between | in TSV and CSV
    #[arg(long)]
    multi_label: bool,
    /// Count bad rows and leave them out
    #[arg(long)]
    skip_bad_rows: bool,
    /// Override a configuration key, for example optimizer.layerwise_decay=0.9
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
    /// Print lines even on a terminal
    #[arg(long)]
    no_tui: bool,
}

impl Arguments {
    /// What was given, as keys of the configuration.
    fn flags(&self) -> Vec<(String, Value)> {
        let path =
            |path: &Option<PathBuf>| path.as_ref().map(|path| Value::String(path.to_string_lossy().into_owned()));
        let truth = |flag: bool| flag.then_some(Value::Boolean(true));
        let all = [
            ("task", self.task.map(|kind| Value::String(kind.name().into()))),
            ("model", path(&self.model)),
            ("data.train", path(&self.train)),
            ("data.dev", path(&self.dev)),
            ("data.test", path(&self.test)),
            ("from_scratch", truth(self.from_scratch)),
            ("seed", self.seed.map(Value::Integer)),
            ("epochs", self.epochs.map(Value::Float)),
            ("data.batch_size", self.batch_size.map(Value::Integer)),
            ("optimizer.learning_rate", self.learning_rate.map(Value::Float)),
            ("data.max_length", self.max_length.map(Value::Integer)),
            ("metric", self.metric.clone().map(Value::String)),
            ("early_stopping", self.early_stopping.map(Value::Integer)),
            ("data.multi_label", truth(self.multi_label)),
            ("data.skip_bad_rows", truth(self.skip_bad_rows)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let output = arguments.resume.clone().or_else(|| arguments.output.clone()).unwrap_or_default();
    let resume = arguments.resume.is_some();
    let seeds = seeds_below(&output, resume, usize::from(arguments.seeds));
    let saved = resume.then(|| match seeds {
        None => output.join("config.toml"),
        Some(_) => first_seed(&output).join("config.toml"),
    });
    if let Some(file) = saved.as_ref().filter(|file| !file.is_file()) {
        let message = format!("there is no run here; expected {}", file.display());
        return Err(Error::input(&output, message));
    }
    let config = FinetuneConfig::load(saved, &arguments.flags(), &arguments.set)?;
    let bar = Bar::new();
    let mut progress = |progress: Progress| bar.show(progress);
    let options = FinetuneOptions {
        output: output.clone(),
        adapter: device::select(&arguments.device)?,
        resume,
        signal: signals()?,
        dashboard: !arguments.no_tui && std::io::stdout().is_terminal(),
        progress: &mut progress,
    };
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

/// How many seeds are run, where they are several: those of a run that is gone on with stand in directories of their own.
fn seeds_below(output: &Path, resume: bool, seeds: usize) -> Option<usize> {
    let found = resume && !output.join("config.toml").is_file() && first_seed(output).join("config.toml").is_file();
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
    let seconds = report.elapsed.map_or(0.0, |elapsed| elapsed.as_secs_f64());
    let best = report.best_step.unwrap_or(report.steps);
    say!("{} steps in {seconds:.0} s on {}; best by {}: step {best}", report.steps, report.device, report.metric);
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

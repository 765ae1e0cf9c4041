//! `electra glue`

use super::reading::Bar;
use super::signals::signals;
use electra_burn::corpus::Progress;
use electra_burn::tasks::{self, FinetuneOptions, GlueReport};
use electra_burn::{Result, device};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;

/// Fine-tune an encoder for the tasks of the GLUE benchmark.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra glue --model runs/mine/discriminator --data glue_data --output runs/glue
  electra glue --model DIR --data glue_data --output runs/glue --tasks CoLA RTE --seeds 5

GLUE_DIR holds a folder for each task with its original files: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI. The table shows
medians on dev and their average without WNLI; predictions for test sets lie in submission/, as the benchmark takes them.")]
pub struct Arguments {
    /// Directory of the encoder in Hugging Face's layout, for example runs/mine/discriminator
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of the benchmark's folders
    #[arg(long, value_name = "GLUE_DIR")]
    data: PathBuf,
    /// Directory of the runs, which must be new or empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Go on with the runs in the output directory: what was finished is not done again
    #[arg(long)]
    resume: bool,
    /// Tasks [default: all that are found]
    #[arg(long, num_args = 1.., value_name = "TASK")]
    tasks: Vec<String>,
    /// The encoder's size and tokenizer with fresh weights, to compare with
    #[arg(long)]
    from_scratch: bool,
    /// Run so many seeds and report medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    seeds: u16,
    /// First seed [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<i64>,
    /// Passes over the training data [default: 10 for RTE and STS-B, else 3]
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Texts in a batch [default: 32]
    #[arg(long, value_name = "N")]
    batch_size: Option<i64>,
    /// Peak learning rate of the head [default: by the encoder's width]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
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
        let all = [
            ("model", Some(Value::String(self.model.to_string_lossy().into_owned()))),
            ("from_scratch", self.from_scratch.then_some(Value::Boolean(true))),
            ("seed", self.seed.map(Value::Integer)),
            ("epochs", self.epochs.map(Value::Float)),
            ("data.batch_size", self.batch_size.map(Value::Integer)),
            ("optimizer.learning_rate", self.learning_rate.map(Value::Float)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folders = tasks::glue_folders(&arguments.data, &arguments.tasks)?;
    let bar = Bar::new();
    let mut progress = |progress: Progress| bar.show(progress);
    let options = FinetuneOptions {
        output: arguments.output.clone(),
        adapter: device::select(&arguments.device)?,
        resume: arguments.resume,
        signal: signals()?,
        dashboard: !arguments.no_tui && std::io::stdout().is_terminal(),
        progress: &mut progress,
    };
    let report = tasks::glue(&folders, &arguments.flags(), &arguments.set, usize::from(arguments.seeds), options)?;
    print(&arguments.output, &report);
    if let Some(reason) = &report.interrupted {
        say!("\nstopped ({reason}); the same command with --resume goes on");
        return Ok(ExitCode::from(130));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(output: &Path, report: &GlueReport) {
    if report.tasks.is_empty() {
        return;
    }
    say!("\n{:<8} {:>8} {:>8} {:>8}  on dev", "", "median", "least", "most");
    for row in report.tasks.iter().flat_map(|(_, rows)| rows) {
        let metrics: Vec<String> =
            row.metrics.iter().map(|(name, spread)| format!("{name} {:.4}", spread.median)).collect();
        let score = row.score;
        say!("{:<8} {:>8.4} {:>8.4} {:>8.4}  {}", row.name, score.median, score.least, score.most, metrics.join(", "));
    }
    if let Some(average) = report.average() {
        say!("{:<8} {average:>8.4}", "average");
    }
    say!("\n{}\n  results.json    all figures", output.display());
    if !report.submission.is_empty() {
        say!("  submission/     predictions for {} test sets", report.submission.len());
    }
}

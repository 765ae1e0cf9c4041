//! `electra glue`

use super::training::{Training, path};
use electra_burn::Result;
use electra_burn::tasks::{self, GlueReport};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Fine-tune an encoder for the tasks of the GLUE benchmark.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra glue --model runs/mine/discriminator --data glue_data --output runs/glue
  electra glue --model DIR --data glue_data --output runs/glue --tasks CoLA RTE --seeds 5

GLUE_DIR holds a folder for each task with its original files: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE, WNLI. RTE and STS-B
take 10 epochs by default, as in the paper. The table shows
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
    /// Resume the runs in the output directory: what was finished is not done again
    #[arg(long)]
    resume: bool,
    /// With --resume: start every run over at step 0; their checkpoints and records move into folders of them
    #[arg(long, requires = "resume")]
    restart: bool,
    /// Tasks [default: all that are found]
    #[arg(long, num_args = 1.., value_name = "TASK")]
    tasks: Vec<String>,
    #[command(flatten)]
    training: Training,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folders = tasks::glue_folders(&arguments.data, &arguments.tasks)?;
    if arguments.restart {
        super::restart::restart(&arguments.output)?;
    }
    let training = &arguments.training;
    let flags = training.flags([("model", Some(path(&arguments.model)))]);
    let options = training.options(&arguments.output, arguments.resume)?;
    let report = tasks::glue(&folders, &flags, &training.set, usize::from(training.seeds), options)?;
    print(&arguments.output, &report);
    if let Some(reason) = &report.interrupted {
        say!("\nstopped ({reason}); the same command with --resume resumes them");
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

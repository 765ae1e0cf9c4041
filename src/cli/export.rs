//! `electra export`

use super::progress::Working;
use electra_burn::{Result, device, hub, learner};
use std::path::PathBuf;
use std::process::ExitCode;

/// Export both networks of a checkpoint in Hugging Face's layout.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra export runs/mine
  electra export runs/mine --checkpoint 20000 --output encoder")]
pub struct Arguments {
    /// A run
    run: PathBuf,
    /// Step of the checkpoint [default: the last]
    #[arg(long, value_name = "STEP")]
    checkpoint: Option<usize>,
    /// Directory to write discriminator/ and generator/ into [default: RUN/export-STEP]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let device = device::select("auto")?.device;
    let working = Working::on("exporting");
    let report = learner::restore(&arguments.run, arguments.checkpoint, &device)?;
    let default = || arguments.run.join(format!("export-{:07}", report.outcome.steps));
    let output = arguments.output.clone().unwrap_or_else(default);
    hub::export(&output, report.trained())?;
    drop(working);
    say!("step {} -> {}", report.outcome.steps, output.display());
    Ok(ExitCode::SUCCESS)
}

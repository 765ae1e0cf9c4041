//! `electra report`

use super::progress::Working;
use electra_burn::Result;
use electra_burn::report::RunReport;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a page of a run: its figures, curves, configuration and origin in one HTML file.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra report runs/mine
  electra report runs/mine --output mine.html --figures figures")]
pub struct Arguments {
    /// A run of pretraining or fine-tuning: finished, stopped or still running
    run: PathBuf,
    /// File to write the page to [default: RUN/report.html]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Directory to write every picture to as well, as SVG and PNG
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let working = Working::on("reading the run");
    let report = RunReport::read(&arguments.run)?;
    drop(working);
    let output = arguments.output.clone().unwrap_or_else(|| arguments.run.join("report.html"));
    report.write(&output)?;
    report.problems().iter().for_each(|problem| eprintln!("warning: {problem}"));
    say!("{}", output.display());
    if let Some(directory) = &arguments.figures {
        let files = report.write_figures(directory)?;
        say!("{}  {} pictures, as SVG and PNG", directory.display(), files.len() / 2);
    }
    Ok(ExitCode::SUCCESS)
}

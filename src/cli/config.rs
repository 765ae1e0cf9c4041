//! `electra config`

use electra_burn::config::{FinetuneConfig, Source, commented, is_fine_tuning, load};
use electra_burn::{Error, Result};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the settings of a run of pretraining with what they mean, or check a file with settings.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  electra config > mine.toml
  electra config --preset small --set training.steps=100000 > mine.toml
  electra config check mine.toml")]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Configuration file (TOML); its keys override the preset's
    config: Option<PathBuf>,
    /// Preset to start from: demo, tiny, modern-small, modern-base, small, base or large [default: demo, or tiny with a corpus]
    #[arg(long)]
    preset: Option<String>,
    /// Override a configuration key, for example training.steps=1000
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check a file with settings, of pretraining or of fine-tuning
    #[command(after_help = "Examples:
  electra config check mine.toml")]
    Check {
        /// The file (TOML)
        file: PathBuf,
    },
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let environment = super::environment()?;
    if let Some(Command::Check { file }) = arguments.command {
        let kind = match is_fine_tuning(&file)? {
            true => FinetuneConfig::load(Some(file.clone()), &[], &[]).map(|_| "fine-tuning")?,
            false => load(&Source { file: Some(file.clone()), ..Source::default() }).map(|_| "pretraining")?,
        };
        say!("{}: nothing is wrong; these are settings of {kind}", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    let Arguments { config: file, preset, set, .. } = arguments;
    let config = load(&Source { file, preset, set, environment, ..Source::default() })?;
    let text = super::plain(&commented(&config)?).into_owned();
    // A reader that has gone away is no failure, a full disk is.
    match std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output")(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

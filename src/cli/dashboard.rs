//! `electra dashboard`

use super::signals::signals;
use electra_burn::Result;
use electra_burn::web::{Listening, dashboard};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show runs in a browser, as they train.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra dashboard                     the runs below runs/
  electra dashboard runs/mine           one run
  ssh -L 6007:localhost:6007 host       the dashboard of another host, at http://localhost:6007/

It listens on 127.0.0.1 alone, and changes nothing.")]
pub struct Arguments {
    /// A directory of runs, or a run
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 6007, value_name = "PORT")]
    port: u16,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let signal = signals()?;
    let router = dashboard(&arguments.runs, signal.clone())?;
    let listening = Listening::on_loopback(arguments.port)?;
    say!("runs in {} at http://{}/", arguments.runs.display(), listening.address());
    say!("Ctrl-C stops it");
    listening.serve(router, &signal)?;
    say!("stopped");
    Ok(ExitCode::SUCCESS)
}

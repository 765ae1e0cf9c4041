//! `electra dashboard`

use super::signals::signals;
use electra_burn::Result;
use electra_burn::http::{ClientBounds, Hosts, Server};
use electra_burn::web::dashboard;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Show runs in a browser, as they train.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra dashboard
  electra dashboard runs/mine --port 8000

It listens on 127.0.0.1 alone, and changes nothing. Behind a proxy or a tunnel that has a name of its own: --allow-host NAME.
For the runs of another host: ssh -L 6007:localhost:6007 HOST, and electra dashboard there.")]
pub struct Arguments {
    /// A directory of runs, or a run
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// Port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 6007, value_name = "PORT")]
    port: u16,
    /// Another name of this machine that requests may have, as a proxy or a tunnel in front hands it on; may be given again
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let signal = signals(false)?;
    let hosts = Hosts::new(Ipv4Addr::LOCALHOST.into(), &arguments.allow_host)?;
    let router = dashboard(&arguments.runs, hosts, signal.clone())?;
    let server = Server::bind((Ipv4Addr::LOCALHOST, arguments.port).into())?;
    say!("runs in {} at http://{}/", arguments.runs.display(), server.address());
    say!("Ctrl-C stops it");
    server.serve(router, ClientBounds { grace: Duration::from_secs(3), ..ClientBounds::default() }, &signal)?;
    say!("stopped");
    Ok(ExitCode::SUCCESS)
}

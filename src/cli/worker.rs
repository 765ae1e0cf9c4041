//! `electra worker`

use super::signals::signals;
use electra_burn::Result;
use electra_burn::device::Adapters;
use electra_burn::device::remote::{Transport, Worker};
use electra_burn::token::AccessToken;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Serve the devices of this host to runs on other hosts.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra worker --listen 10.0.0.5:7447 --device wgpu:0 --token-file token
  electra pretrain --corpus text --device wgpu:0,remote:10.0.0.5:7447 --token-file token

The token is made where the file does not exist; copy it to the host that trains. Whoever has it can compute here.")]
pub struct Arguments {
    /// Address to listen on, UDP (TCP with --websocket)
    #[arg(long, value_name = "IP:PORT")]
    listen: SocketAddr,
    /// Address at which others reach that, where it is not the same
    #[arg(long, value_name = "IP:PORT")]
    address: Option<SocketAddr>,
    /// What to serve: names that `electra devices` lists, of one backend, with commas between them
    #[arg(long, default_value = "auto", value_name = "NAME[,NAME..]")]
    device: String,
    /// File with the token that clients must have
    #[arg(long, value_name = "FILE", default_value = "electra-token")]
    token_file: PathBuf,
    /// Plain text over a WebSocket instead of the encrypted transport, on loopback
    #[arg(long)]
    websocket: bool,
    /// Plain text on other addresses too
    #[arg(long, requires = "websocket")]
    insecure: bool,
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let signal = signals(false)?;
    let adapters = Adapters::select(&arguments.device, None)?;
    let (token, made) = AccessToken::read_or_create(&arguments.token_file)?;
    let path = arguments.token_file.display();
    if made {
        say!("a new token was written to {path}");
    }
    let worker = Worker {
        listen: arguments.listen,
        address: arguments.address,
        adapters,
        token,
        transport: if arguments.websocket { Transport::WebSocket } else { Transport::Iroh },
        insecure: arguments.insecure,
    };
    worker.serve(&signal, |name| {
        say!("serving {}", worker.adapters);
        say!("train on it with --device {name} --token-file {path}");
    })?;
    say!("stopped");
    Ok(ExitCode::SUCCESS)
}

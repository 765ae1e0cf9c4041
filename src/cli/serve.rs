//! `electra serve`

use super::device::Answering;
use electra_burn::config::Precision;
use electra_burn::http::Server;
use electra_burn::serve::{Limits, Served};
use electra_burn::tasks::Kind;
use electra_burn::token::AccessToken;
use electra_burn::{Error, Result};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Answer over HTTP with a fine-tuned model.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra serve --model runs/intent/model --port 8080
  curl -H 'content-type: application/json' -d '{\"inputs\": [\"Where is my card?\"]}' http://127.0.0.1:8080/predict
  curl http://127.0.0.1:8080/openapi.json")]
pub struct Arguments {
    /// Directory of the model, for example runs/intent/model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The task that another program has fine-tuned the model for, where its files do not say
    #[arg(long)]
    task: Option<Kind>,
    /// Port; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Address to listen on. There is no encryption: beyond loopback a proxy belongs in front
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// On loopback: another name of this machine that requests may have, as a proxy in front hands it on; may be given again
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// File with a token that requests must have, as `authorization: Bearer TOKEN`; it is made where it does not exist
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    answering: Answering,
    /// Most inputs that are computed together; 1 switches batching off
    #[arg(long, value_name = "N", default_value_t = Limits::default().batch)]
    max_batch: usize,
    /// Most inputs of a request
    #[arg(long, value_name = "N", default_value_t = Limits::default().inputs)]
    max_inputs: usize,
    /// Longest text in characters
    #[arg(long, value_name = "N", default_value_t = Limits::default().characters)]
    max_characters: usize,
    /// Largest body in bytes
    #[arg(long, value_name = "N", default_value_t = Limits::default().body_bytes)]
    max_body: usize,
    /// Requests that are worked on at a time; more get status 503
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests)]
    max_requests: usize,
    /// Seconds for a body to arrive, and then for its answer
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().time.as_secs())]
    timeout: u64,
}

/// Far beyond what a machine can answer, and what timers and semaphores can count.
const MOST_REQUESTS: usize = 1 << 20;
const LONGEST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let limits = Limits {
        body_bytes: arguments.max_body,
        inputs: arguments.max_inputs,
        characters: arguments.max_characters,
        requests: arguments.max_requests,
        batch: arguments.max_batch,
        time: Duration::from_secs(arguments.timeout),
    };
    let counts = [limits.body_bytes, limits.inputs, limits.characters, limits.requests, limits.batch];
    if counts.contains(&0) || limits.time.is_zero() {
        return Err(Error::Usage("a limit is 0; expected 1 or more".into()));
    }
    if limits.requests > MOST_REQUESTS || limits.time > LONGEST_TIME {
        let message = format!("expected at most {MOST_REQUESTS} requests and {} seconds", LONGEST_TIME.as_secs());
        return Err(Error::Usage(message));
    }
    let signal = super::signals::signals(false)?;
    let token = arguments
        .token_file
        .as_ref()
        .map(|path| Ok::<_, Error>((AccessToken::read_or_create(path)?, path)))
        .transpose()?;
    let (adapter, precision) = arguments.answering.open()?;
    let model = Served::open_as(&arguments.model, arguments.task, precision, &adapter.device)?;
    model.note().iter().for_each(|note| say!("{note}"));
    let server = Server::bind(SocketAddr::new(arguments.host, arguments.port))?;
    let format = if precision == Precision::Auto { String::new() } else { format!(", products in {precision}") };
    say!("{} on http://{} ({}{format}); ctrl-c stops", model.kind().name(), server.address(), adapter.name);
    match &token {
        Some(((_, true), path)) => say!("a new token was written to {}; requests must have it", path.display()),
        Some(((_, false), path)) => say!("requests must have the token in {}", path.display()),
        None if !arguments.host.is_loopback() => {
            say!("anyone who reaches this address is answered; --token-file asks for a token")
        }
        None => (),
    }
    model.serve(server, limits, &arguments.allow_host, token.map(|((token, _), _)| token), &signal)?;
    Ok(ExitCode::SUCCESS)
}

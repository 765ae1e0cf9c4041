//! `electra detect`

use electra_burn::predict::{Detector, Verdict};
use electra_burn::{Error, Result, device, files};
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say for every token of a text how likely it is that it was replaced.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra detect --model runs/demo-1/discriminator 'The river sings through the old town.'
  electra detect --model runs/demo-1/discriminator --json < letter.txt")]
pub struct Arguments {
    /// Directory of a discriminator, for example runs/demo-1/discriminator
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The text; `-` or nothing reads standard input
    text: Option<String>,
    /// Read the text from a file
    #[arg(long, value_name = "PATH", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let text = text(arguments)?;
    let device = device::select(&arguments.device)?.device;
    let verdicts = Detector::open(&arguments.model, &device)?.detect(&text)?;
    if arguments.json {
        let token = |v: &Verdict| {
            let piece = &v.piece;
            serde_json::json!({
                "token": piece.token, "id": piece.id, "start": piece.start, "end": piece.end, "replaced": v.replaced,
            })
        };
        let tokens: Vec<_> = verdicts.iter().map(token).collect();
        say!("{}", serde_json::json!({"text": text, "tokens": tokens}));
    } else {
        let coloured = super::is_coloured();
        verdicts.iter().for_each(|verdict| paint!("{}", row(verdict, coloured)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Token, probability, and a bar of its length; on a terminal green, yellow or red.
fn row(verdict: &Verdict, coloured: bool) -> String {
    let p = verdict.replaced;
    let bar = "#".repeat((p * 40.0).round() as usize);
    let line = format!("{:<20} {p:.3} {bar}", super::plain(&verdict.piece.token));
    let colour = match p {
        p if p > 0.5 => 31,
        p if p > 0.25 => 33,
        _ => 32,
    };
    if coloured { format!("\x1b[{colour}m{line}\x1b[0m") } else { line.trim_end().to_owned() }
}

fn text(arguments: &Arguments) -> Result<String> {
    match (&arguments.file, arguments.text.as_deref()) {
        (Some(path), _) => files::read_text(path, files::SMALL).map_err(|error| Error::input(path, error.to_string())),
        (None, Some(text)) if text != "-" => Ok(text.to_owned()),
        _ => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map(|_| text).map_err(|error| Error::input("standard input", error.to_string()))
        }
    }
}

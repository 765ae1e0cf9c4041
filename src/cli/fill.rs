//! `electra fill`

use electra_burn::predict::{Filler, Filling};
use electra_burn::{Result, device};
use std::path::PathBuf;
use std::process::ExitCode;

/// Fill every [MASK] in a text with the likeliest tokens.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra fill --model runs/demo-1/generator 'The [MASK] runs through the old [MASK].' --top-k 3")]
pub struct Arguments {
    /// Directory of a generator, for example runs/demo-1/generator
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The text, with one or more [MASK]
    text: String,
    /// Fillings to show for each [MASK]
    #[arg(long, default_value_t = 5, value_name = "K")]
    top_k: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let device = device::select(&arguments.device)?.device;
    let masks = Filler::open(&arguments.model, &device)?.fill(&arguments.text, arguments.top_k)?;
    if arguments.json {
        let filling = |f: &Filling| serde_json::json!({"token": f.token, "id": f.id, "probability": f.probability});
        let masks: Vec<Vec<_>> = masks.iter().map(|mask| mask.iter().map(filling).collect()).collect();
        say!("{}", serde_json::json!({"text": arguments.text, "masks": masks}));
    } else {
        for (number, mask) in masks.iter().enumerate() {
            if number > 0 {
                say!();
            }
            mask.iter().for_each(|f| say!("{:<20} {:.4}", f.token, f.probability));
        }
    }
    Ok(ExitCode::SUCCESS)
}

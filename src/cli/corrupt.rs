//! `electra corrupt`

use electra_burn::config::{self, Source};
use electra_burn::predict::{Corrupted, Corrupter};
use electra_burn::{Result, device, hub};
use std::path::PathBuf;
use std::process::ExitCode;

/// Corrupt a text with a generator and show the discriminator's verdict beside the truth.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra corrupt runs/demo-1 'The river runs through the old town.' --seed 7")]
pub struct Arguments {
    /// A run, or another directory with discriminator/ and generator/ in it
    run: PathBuf,
    /// The text
    text: String,
    /// Seed of the picked places and the samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    let mut config = config::load(&Source::default())?;
    // The only sequence is the text, whose length is checked against the model.
    config.data.sequence_length = 3;
    let (discriminator, generator) = (arguments.run.join("discriminator"), arguments.run.join("generator"));
    let (tokenizer, pair) =
        hub::open_pair(&mut config, &discriminator, Some(&generator), &device, &mut |note| eprintln!("{note}"))?;
    let (tokens, tally) = Corrupter::new(tokenizer, pair, &config, &device).corrupt(&arguments.text, arguments.seed)?;
    if arguments.json {
        let token = |t: &Corrupted| {
            serde_json::json!({
                "original": t.original.token, "token": t.token, "start": t.original.start, "end": t.original.end,
                "picked": t.picked, "replaced": t.replaced, "verdict": t.verdict,
            })
        };
        let tokens: Vec<_> = tokens.iter().map(token).collect();
        let losses = serde_json::json!({"mlm_loss": tally.mlm_loss(), "disc_loss": tally.disc_loss()});
        say!("{}", serde_json::json!({"text": arguments.text, "tokens": tokens, "losses": losses}));
    } else {
        say!("{:<20} {:<20} {:<9} verdict", "text", "corrupted", "truth");
        for t in &tokens {
            let truth = if t.replaced { "replaced" } else { "original" };
            let seen = if t.picked { t.token.as_str() } else { "" };
            say!("{:<20} {seen:<20} {truth:<9} {:.3}", t.original.token, t.verdict);
        }
        say!("\nMLM loss {:.4}, discriminator loss {:.4}", tally.mlm_loss(), tally.disc_loss());
    }
    Ok(ExitCode::SUCCESS)
}

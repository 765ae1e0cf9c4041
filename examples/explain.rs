//! Which words decide what a fine-tuned model says: `cargo run --example explain -- MODEL TEXT..`.

use electra_burn::explain::Options;
use electra_burn::prelude::*;
use std::path::PathBuf;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model = PathBuf::from(arguments.next().unwrap_or_else(|| "runs/weather/model".into()));
    let adapters = Adapters::select("auto", None)?;
    let explainer = Explainer::open(&model, &adapters.main().device)?;
    for text in arguments {
        for explanation in explainer.explain(&text.as_str().into(), &Options::default())? {
            println!("{}: {:.3}", explanation.explained, explanation.output);
            for token in &explanation.tokens {
                println!("  {:<16} {:+.3}", token.token, token.attribution);
            }
        }
    }
    Ok(())
}

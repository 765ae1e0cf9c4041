//! Fine-tunes an encoder on two classes of sentences that it makes itself: `cargo run --example finetune -- ENCODER OUTPUT`.

use electra_burn::prelude::*;
use std::fmt::Write;
use std::path::Path;

/// Rows of a text and its label.
fn rows(first: usize, count: usize) -> String {
    let (fair, wet) =
        (["the sun is out", "a dry day", "no cloud at all"], ["it rains", "a wet day", "clouds and rain"]);
    let mut rows = String::from("text\tlabel\n");
    for row in first..first + count {
        let (texts, label) = if row % 2 == 0 { (fair, "fair") } else { (wet, "wet") };
        writeln!(rows, "day {row}: {}\t{label}", texts[row / 2 % 3]).expect("a string takes every line");
    }
    rows
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let encoder = arguments.next().unwrap_or_else(|| "runs/example/discriminator".into());
    let output = arguments.next().unwrap_or_else(|| "runs/weather".into());
    let place = std::env::temp_dir();
    let file = |name: &str, first, count| {
        let path = place.join(format!("{}-{name}.tsv", std::process::id()));
        std::fs::write(&path, rows(first, count)).map_err(Error::io(&path)).map(|()| path)
    };
    let (train, dev) = (file("train", 0, 60)?, file("dev", 60, 12)?);
    let mut config = FinetuneConfig::new(Kind::Classification, encoder, &train, &dev);
    config.epochs = Some(3.0);
    let report = finetune(&config, RunOptions::new(&output, Adapters::select("auto", None)?))?;
    println!("{} on dev: {:.3} after {} steps", report.metric, report.best_value.unwrap_or_default(), report.steps);
    println!("the model is {}", Path::new(&output).join("model").display());
    Ok(())
}

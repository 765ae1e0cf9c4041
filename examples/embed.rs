//! How alike texts are, by the mean of their hidden states: `cargo run --example embed -- ENCODER TEXT TEXT..`.

use electra_burn::prelude::*;
use std::path::PathBuf;

/// The mean over tokens.
fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(|at| rows.iter().map(|row| row[at]).sum::<f32>() / rows.len() as f32).collect()
}

/// The cosine of the angle between two vectors.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let encoder = PathBuf::from(arguments.next().unwrap_or_else(|| "runs/example/discriminator".into()));
    let texts: Vec<String> = arguments.collect();
    let adapters = Adapters::select("auto", None)?;
    let encoder = TextEncoder::open(&encoder, &adapters.main().device)?;
    let vectors: Vec<Vec<f32>> = texts.iter().map(|text| Ok(mean(&encoder.encode(text)?))).collect::<Result<_>>()?;
    for (text, vector) in texts.iter().zip(&vectors).skip(1) {
        println!("{:.3}\t{}\t{text}", cosine(&vectors[0], vector), texts[0]);
    }
    Ok(())
}

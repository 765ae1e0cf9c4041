//! Throughput of building a store beside a bare loop over `Tokenizer::encode_batch`, on the same file and threads.
//!
//! `cargo bench --profile dev --bench corpus -- FILE [VOCAB_SIZE]`

use electra_burn::config::{CorpusConfig, Source, TokenizerConfig, load};
use electra_burn::corpus::read::{Corpus, ReadOptions};
use electra_burn::corpus::{BuildOptions, Split, TokenStore, build};
use electra_burn::data::{HostRows, Sequences, Steps, TrainSteps};
use electra_burn::tokenizer::Tokenizer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(file) = arguments.next().map(PathBuf::from) else {
        println!("skipped: name a text file");
        return Ok(());
    };
    let vocab_size = arguments.next().map_or(Ok(8192), |size| size.parse())?;
    let corpus = Corpus::open(std::slice::from_ref(&file), ReadOptions::from(&CorpusConfig::default()))?;
    let megabytes = corpus.bytes() as f64 / 1e6;
    let tokenizer = Tokenizer::train(corpus.documents(), vocab_size, &TokenizerConfig::default())?;
    let bare = tokenizer.to_json()?.parse::<tokenizers::Tokenizer>().map_err(|error| error.to_string())?;
    let text = std::fs::read_to_string(&file)?;
    let lines: Vec<&str> = text.lines().collect();

    let mut ratios = Vec::new();
    for round in 1..=5 {
        let started = Instant::now();
        let mut tokens = 0;
        for batch in lines.chunks(4096) {
            let encodings = bare.encode_batch(batch.to_vec(), false).map_err(|error| error.to_string())?;
            tokens += encodings.iter().map(|encoding| encoding.len()).sum::<usize>();
        }
        let bare_rate = megabytes / started.elapsed().as_secs_f64();

        let directory = tempfile::tempdir()?;
        let started = Instant::now();
        let output = directory.path().join("store");
        let built = build(&corpus, &tokenizer, &output, &BuildOptions::default(), &mut |_| ())?;
        let rate = megabytes / started.elapsed().as_secs_f64();
        assert_eq!(built.manifest.tokens, tokens, "both see the same tokens");
        println!(
            "round {round}: encode_batch {bare_rate:.2} MB/s, corpus build {rate:.2} MB/s, ratio {:.3}",
            rate / bare_rate
        );
        ratios.push(rate / bare_rate);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3} of {tokens} threads", ratios[ratios.len() / 2], tokens = rayon::current_num_threads());
    batches(&corpus, &tokenizer)
}

/// The batches of preset small, as the loader's thread prepares them.
fn batches(corpus: &Corpus, tokenizer: &Tokenizer) -> Result<(), Box<dyn std::error::Error>> {
    let config = load(&Source { preset: Some("small".into()), ..Source::default() })?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("store");
    build(corpus, tokenizer, &path, &BuildOptions::default(), &mut |_| ())?;
    let kinds = tokenizer.kinds();
    let sequences = Sequences::new(Arc::new(TokenStore::open(&path)?), Split::Train, &config, kinds.clone());
    let device = electra_burn::device::select("flex")?.device;
    let steps = TrainSteps::new(sequences, &config, &kinds);
    let started = Instant::now();
    for step in 0..100 {
        for batch in steps.batches(step) {
            std::hint::black_box(batch.to_device(&device));
        }
    }
    println!("a step's batches at preset small: {:.3} ms", 10.0 * started.elapsed().as_secs_f64());
    Ok(())
}

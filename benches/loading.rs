//! What the input path adds to a training step at preset small: steps whose batches the loader prepares, in turn with
//! steps on one batch that is there already.
//!
//! `cargo bench --profile dev --bench loading -- FILE [BATCH_SIZE] [STEPS]`

use burn::data::dataloader::DataLoader;
use burn::train::{ItemLazy, Learner};
use electra_burn::config::{CorpusConfig, Source, load};
use electra_burn::corpus::read::{Corpus, ReadOptions};
use electra_burn::corpus::{BuildOptions, Split, TokenStore, build};
use electra_burn::data::{Cursor, Sequences, StepLoader, TrainSteps};
use electra_burn::learner::{Pretrainer, WarmupLinear, optimizer, update};
use electra_burn::tokenizer::Tokenizer;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

const VOCAB_SIZE: usize = 8192;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let Some(file) = arguments.next().map(PathBuf::from) else {
        println!("skipped: name a text file");
        return Ok(());
    };
    let mut number = |otherwise: usize| arguments.next().map_or(Ok(otherwise), |text| text.parse());
    let (batch_size, steps) = (number(16)?, number(9)?.max(1));
    let set = [format!("data.batch_size={batch_size}"), format!("model.vocab_size={VOCAB_SIZE}")];
    let config = load(&Source { preset: Some("small".into()), set: set.into(), ..Source::default() })?;

    let corpus = Corpus::open(&[file], ReadOptions::from(&CorpusConfig::default()))?;
    let tokenizer = Tokenizer::train(corpus.documents(), VOCAB_SIZE, &config.tokenizer)?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("store");
    build(&corpus, &tokenizer, &path, &BuildOptions::default(), &mut |_| ())?;
    let kinds = tokenizer.kinds();
    let sequences = Sequences::new(Arc::new(TokenStore::open(&path)?), Split::Train, &config, kinds.clone());
    let device = electra_burn::device::select("auto")?.device;
    let cursor = Cursor::default();
    cursor.set(0..steps + 1);
    let loader = StepLoader::new(Arc::new(TrainSteps::new(sequences, &config, &kinds)), device.clone(), cursor);

    let model = Pretrainer::new(&config, &device.autodiff());
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::new(&config));
    let mut batches = loader.iter();
    let mut next = || batches.next().ok_or("the loader has ended")?.map_err(|error| error.to_string());
    // The first step, which allocates, counts for neither.
    let constant = next()?;
    update(&mut learner, constant.clone(), config.optimizer.max_grad_norm)?.sync()?;
    let (mut waits, mut loaded, mut fixed) = (Vec::new(), Vec::new(), Vec::new());
    for step in 1..=steps {
        let started = Instant::now();
        let input = next()?;
        waits.push(started.elapsed().as_secs_f64());
        update(&mut learner, input, config.optimizer.max_grad_norm)?.sync()?;
        loaded.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        update(&mut learner, constant.clone(), config.optimizer.max_grad_norm)?.sync()?;
        fixed.push(started.elapsed().as_secs_f64());
        println!("step {step}: loader {:.3} s, constant batch {:.3} s", loaded[step - 1], fixed[step - 1]);
    }
    let (wait, loaded, fixed) = (median(waits), median(loaded), median(fixed));
    println!(
        "median step of {batch_size} x {}: loader {loaded:.3} s, constant batch {fixed:.3} s, ratio {:.4}; waiting {:.3} ms, {:.4} % of the step",
        config.data.sequence_length,
        loaded / fixed,
        1e3 * wait,
        100.0 * wait / loaded
    );
    Ok(())
}

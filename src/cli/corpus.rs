//! `electra corpus`

use super::progress::Working;
use super::reading::{Bar, Reading};
use electra_burn::Result;
use electra_burn::config::VALIDATION_SHARE;
use electra_burn::corpus::read::{Corpus, ReadOptions};
use electra_burn::corpus::{self, BuildOptions, HoldOut, Inspection};
use electra_burn::tokenizer::Tokenizer;
use electra_runs::readable_count;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Build a token store, or look into one.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Tokenize a corpus into a store that `pretrain --corpus STORE` reads
    Build(Build),
    /// Verify a store and show what is in it
    Inspect(Inspect),
}

/// Tokenize a corpus into a store. An interrupted build is taken up again by the same command.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra corpus build --corpus books.txt news/*.jsonl.gz --tokenizer tokenizer --output store")]
pub struct Build {
    /// Files, folders, globs, or - for standard input
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    corpus: Vec<PathBuf>,
    /// Directory of the tokenizer, as `electra tokenizer train` writes it
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Directory of the store, which must not exist
    #[arg(long, value_name = "STORE")]
    output: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Share of the tokens that is held out for validation, in whole documents chosen by their contents
    #[arg(long, default_value_t = VALIDATION_SHARE, value_name = "SHARE", value_parser = share)]
    validation_share: f64,
    /// Tokens of a shard
    #[arg(long, default_value_t = BuildOptions::default().shard_tokens, value_name = "N")]
    shard_tokens: usize,
}

/// Verify a store and show what is in it.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra corpus inspect store --top 50")]
pub struct Inspect {
    /// The store
    store: PathBuf,
    /// Frequent tokens to show
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// Documents whose beginning is shown
    #[arg(long, default_value_t = 3, value_name = "N")]
    samples: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (0.0001..=0.5).contains(&value) { Ok(value) } else { Err("expected 0.0001 to 0.5".into()) }
}

/// Runs the command.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Build(arguments) => build(arguments)?,
        Command::Inspect(arguments) => {
            let working = Working::on("verifying the store");
            let inspection = corpus::inspect(&arguments.store, arguments.top, arguments.samples)?;
            drop(working);
            if arguments.json {
                say!("{}", serde_json::json!(inspection));
            } else {
                print(&arguments.store, &inspection);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn build(arguments: &Build) -> Result<()> {
    let config = arguments.reading.config();
    let corpus = Corpus::open(&arguments.corpus, ReadOptions::from(&config))?;
    corpus.notes().iter().for_each(|note| say!("{note}"));
    let tokenizer = Tokenizer::load(&arguments.tokenizer)?;
    let options = BuildOptions {
        hold_out: HoldOut::Share(arguments.validation_share),
        drop_duplicates: config.drop_duplicates,
        shard_tokens: arguments.shard_tokens,
    };
    let (bar, started) = (Bar::new(), Instant::now());
    let built = corpus::build(&corpus, &tokenizer, &arguments.output, &options, &mut |progress| bar.show(progress))?;
    let (m, seconds) = (&built.manifest, started.elapsed().as_secs_f64());
    if built.resumed > 0 {
        say!("resumed after {} tokens of an interrupted build", readable_count(built.resumed));
    }
    say!(
        "{} tokens in {} documents from {:.1} MB of text in {seconds:.1} s, {:.2} MB/s",
        readable_count(m.tokens),
        readable_count(m.documents),
        m.text_bytes as f64 / 1e6,
        m.text_bytes as f64 / 1e6 / seconds.max(1e-9),
    );
    say!(
        "unknown tokens {:.3} %, duplicate documents {}{}",
        100.0 * m.unknown_share(),
        m.duplicates.found,
        dropped(m.duplicates.dropped)
    );
    say!(
        "held out {} tokens in {} documents, {:.2} %",
        readable_count(m.held_out.tokens),
        readable_count(m.held_out.documents),
        100.0 * m.held_out_share()
    );
    m.held_out_remark().into_iter().chain(m.unknown_remark()).for_each(|remark| say!("{remark}"));
    for (seen, what) in [
        (built.read.invalid_utf8, "lines or records hold what is not Unicode"),
        (built.read.empty, "records hold no text"),
        (built.read.split, "documents were cut, being too long"),
    ] {
        if seen > 0 {
            say!("{seen} {what}");
        }
    }
    say!("{}", arguments.output.display());
    Ok(())
}

fn dropped(dropped: bool) -> &'static str {
    if dropped { ", left out" } else { ", kept" }
}

fn print(path: &Path, inspection: &Inspection) {
    let m = &inspection.manifest;
    say!("{}: whole, every hash agrees", path.display());
    say!("  {:<16} {}", "documents", readable_count(m.documents));
    say!("  {:<16} {}", "tokens", readable_count(m.tokens));
    say!(
        "  {:<16} {:.1} MB, {:.2} bytes a token",
        "text",
        m.text_bytes as f64 / 1e6,
        m.text_bytes as f64 / m.tokens.max(1) as f64
    );
    say!(
        "  {:<16} {} documents, {} tokens",
        "held out",
        readable_count(m.held_out.documents),
        readable_count(m.held_out.tokens)
    );
    say!("  {:<16} {} ({:.3} %)", "unknown tokens", readable_count(m.unknown_tokens), 100.0 * m.unknown_share());
    say!("  {:<16} {}{}", "duplicates", readable_count(m.duplicates.found), dropped(m.duplicates.dropped));
    say!("  {:<16} {} tokens, sha256 {}", "tokenizer", readable_count(m.vocab_size), &m.tokenizer_sha256);
    say!("  {:<16} {} of {:?}", "shards", m.shards.len(), m.dtype);
    say!("\ntokens a document");
    let most = inspection.lengths.iter().copied().max().unwrap_or(1).max(1);
    for (place, &count) in inspection.lengths.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (low, high) = (if place == 0 { 0 } else { 1usize << place }, (2usize << place) - 1);
        say!("  {low:>9} to {high:<9} {:>9} {}", readable_count(count), "#".repeat((40 * count).div_ceil(most)));
    }
    say!("\nmost frequent tokens");
    for (token, count) in &inspection.top_tokens {
        let share = 100.0 * *count as f64 / m.tokens.max(1) as f64;
        say!("  {token:<20} {:>12} {share:>6.2} %", readable_count(usize::try_from(*count).unwrap_or(usize::MAX)));
    }
    say!("\nsamples");
    for sample in &inspection.samples {
        say!("  {sample} ...");
    }
}

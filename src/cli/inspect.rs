//! `electra inspect`

use electra_burn::tokenizer::Tokenizer;
use electra_burn::{Result, hub};
use electra_runs::readable_count;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what a model directory holds.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra inspect runs/mine/discriminator")]
pub struct Arguments {
    /// A directory in Hugging Face's layout
    directory: PathBuf,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let found = hub::inspect(&arguments.directory)?;
    let c = &found.config;
    say!("{}", found.class);
    say!(
        "  {} layers, hidden {}, {} heads, feed-forward {}, embeddings {}, {} positions",
        c.num_hidden_layers,
        c.hidden_size,
        c.num_attention_heads,
        c.intermediate_size,
        c.embedding_size,
        c.max_position_embeddings
    );
    say!("parameters");
    for (block, count) in &found.blocks {
        say!("  {block:<28} {:>13}", readable_count(*count));
    }
    say!("  {:<28} {:>13}", "total", readable_count(found.blocks.values().sum()));
    let dtypes: Vec<String> = found.dtypes.iter().map(|(dtype, count)| format!("{count} tensors {dtype}")).collect();
    say!("  {}", dtypes.join(", "));
    say!("vocabulary\n  {} rows in the word table", readable_count(c.vocab_size));
    if arguments.directory.join("tokenizer.json").is_file() {
        let tokenizer = Tokenizer::load(&arguments.directory)?;
        let s = tokenizer.special();
        say!("  {} tokens", readable_count(tokenizer.vocab_size()));
        say!("  [PAD] {}, [UNK] {}, [CLS] {}, [SEP] {}, [MASK] {}", s.pad, s.unk, s.cls, s.sep, s.mask);
    }
    if !found.provenance.is_empty() {
        say!("provenance");
        found.provenance.iter().for_each(|(key, value)| say!("  {key}: {value}"));
    }
    Ok(ExitCode::SUCCESS)
}

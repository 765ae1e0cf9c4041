//! `electra tokenizer`

use super::reading::{Bar, Reading};
use electra_burn::config::TokenizerConfig;
use electra_burn::corpus::Progress;
use electra_burn::corpus::read::{Corpus, ReadOptions};
use electra_burn::tokenizer::Tokenizer;
use electra_burn::{Error, Result, files};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a WordPiece tokenizer, take one over, or use one.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Train a WordPiece vocabulary on a corpus
    Train(Train),
    /// Take over a tokenizer of Hugging Face, or a vocab.txt
    Import(Import),
    /// Tokenize a text
    Encode(Encode),
}

/// Train a WordPiece vocabulary on a corpus. The same corpus gives the same bytes, whatever the number of threads.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra tokenizer train --corpus books.txt --vocab-size 30522 --output tokenizer")]
pub struct Train {
    /// Files, folders, globs, or - for standard input
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    corpus: Vec<PathBuf>,
    /// Number of tokens, the special ones counted
    #[arg(long, value_name = "N")]
    vocab_size: usize,
    /// Directory to write the tokenizer to, which must not exist
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    splitting: Splitting,
    /// Pairs seen less often are not merged
    #[arg(long, default_value_t = TokenizerConfig::default().min_frequency, value_name = "N")]
    min_frequency: u64,
    /// At most this many different characters; rarer ones become [UNK]
    #[arg(long, default_value_t = TokenizerConfig::default().limit_alphabet, value_name = "N")]
    limit_alphabet: usize,
}

/// How text is normalised, as in BERT.
#[derive(clap::Args)]
struct Splitting {
    /// Keep upper case (and accents, unless --strip-accents true)
    #[arg(long)]
    cased: bool,
    /// Strip accents [default: with lower-casing]
    #[arg(long, value_name = "BOOL")]
    strip_accents: Option<bool>,
    /// Leave Chinese characters together instead of making each a word
    #[arg(long)]
    no_chinese_characters: bool,
    /// Longest sequence, which is written into tokenizer_config.json
    #[arg(long, default_value_t = 512, value_name = "N")]
    model_max_length: usize,
}

impl Splitting {
    fn config(&self) -> TokenizerConfig {
        TokenizerConfig {
            lowercase: !self.cased,
            strip_accents: self.strip_accents,
            chinese_characters: !self.no_chinese_characters,
            ..TokenizerConfig::default()
        }
    }
}

/// Take over a tokenizer of Hugging Face, or a vocab.txt with BERT's way of splitting text.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra tokenizer import vocab.txt --output tokenizer")]
pub struct Import {
    /// A directory with tokenizer.json or vocab.txt, or a vocab.txt
    source: PathBuf,
    /// Directory to write the tokenizer to, which must not exist
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    splitting: Splitting,
}

/// Tokenize a text.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra tokenizer encode --tokenizer tokenizer 'The river runs.'")]
pub struct Encode {
    /// Directory of the tokenizer
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// The text [default: standard input]
    text: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Train(arguments) => train(arguments)?,
        Command::Import(arguments) => {
            let tokenizer = import(&arguments.source, &arguments.splitting.config())?;
            write(&tokenizer, &arguments.output, arguments.splitting.model_max_length)?;
        }
        Command::Encode(arguments) => encode(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn train(arguments: &Train) -> Result<()> {
    let corpus = Corpus::open(&arguments.corpus, ReadOptions::from(&arguments.reading.config()))?;
    let config = TokenizerConfig {
        min_frequency: arguments.min_frequency,
        limit_alphabet: arguments.limit_alphabet,
        ..arguments.splitting.config()
    };
    let (bar, total) = (Bar::new(), corpus.bytes());
    let mut documents = corpus.documents();
    let told = std::iter::from_fn(|| {
        let next = documents.next();
        bar.show(Progress::Share { done: documents.stats().bytes, total });
        next
    });
    let tokenizer = Tokenizer::train(told, arguments.vocab_size, &config)?;
    write(&tokenizer, &arguments.output, arguments.splitting.model_max_length)
}

fn import(source: &Path, config: &TokenizerConfig) -> Result<Tokenizer> {
    if source.is_file() {
        return Tokenizer::from_vocabulary(source, config);
    }
    if !source.join("tokenizer.json").is_file() && source.join("vocab.txt").is_file() {
        return Tokenizer::from_vocabulary(&source.join("vocab.txt"), config);
    }
    Tokenizer::load(source)
}

fn write(tokenizer: &Tokenizer, output: &Path, model_max_length: usize) -> Result<()> {
    files::write_whole(output, |directory| tokenizer.save(directory, model_max_length))?;
    say!("{} tokens -> {}", tokenizer.vocab_size(), output.display());
    Ok(())
}

fn encode(arguments: &Encode) -> Result<()> {
    let tokenizer = Tokenizer::load(&arguments.tokenizer)?;
    let text = match &arguments.text {
        Some(text) => text.clone(),
        None => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Error::Usage(format!("standard input: {error}")))?;
            text
        }
    };
    let pieces = tokenizer.encode(&text)?;
    if arguments.json {
        let token = |p: &electra_burn::tokenizer::Piece| serde_json::json!({"token": p.token, "id": p.id, "start": p.start, "end": p.end});
        let tokens: Vec<_> = pieces.iter().map(token).collect();
        say!("{}", serde_json::json!({"text": text, "tokens": tokens}));
    } else {
        for piece in &pieces {
            say!("{:>7} {:<20} {}..{}", piece.id, piece.token, piece.start, piece.end);
        }
    }
    Ok(())
}

//! `electra tokenizer`

use super::reading::{Bar, Reading};
use electra_burn::config::TokenizerConfig;
use electra_burn::corpus::Progress;
use electra_burn::corpus::read::{Corpus, ReadOptions};
use electra_burn::tokenizer::{Piece, Tokenizer};
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
    /// At most this many different characters; rarer ones become [UNK] [default: 1000, or more for a script with more signs]
    #[arg(long, value_name = "N")]
    limit_alphabet: Option<usize>,
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
    /// Longest sequence, which is written into tokenizer_config.json [default: as it is there, or 512]
    #[arg(long, value_name = "N")]
    model_max_length: Option<usize>,
}

impl Splitting {
    fn is_given(&self) -> bool {
        self.cased || self.strip_accents.is_some() || self.no_chinese_characters
    }

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
    /// A file with a text a line, or JSON lines with a field `text`; prints a JSON object a line
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    input: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Train(arguments) => train(arguments)?,
        Command::Import(arguments) => {
            let tokenizer = import(&arguments.source, &arguments.splitting)?;
            let length = arguments.splitting.model_max_length.or(tokenizer.max_length()).unwrap_or(USUAL_LENGTH);
            write(&tokenizer, &arguments.output, length)?;
        }
        Command::Encode(arguments) => encode(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn train(arguments: &Train) -> Result<()> {
    let corpus = Corpus::open(&arguments.corpus, ReadOptions::from(&arguments.reading.config()))?;
    corpus.notes().iter().for_each(|note| say!("{note}"));
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
    let (tokenizer, notes) = Tokenizer::train_with_notes(told, arguments.vocab_size, &config)?;
    notes.iter().for_each(|note| say!("{note}"));
    write(&tokenizer, &arguments.output, arguments.splitting.model_max_length.unwrap_or(USUAL_LENGTH))
}

/// Longest sequence of a tokenizer that says none.
const USUAL_LENGTH: usize = 512;

/// The tokenizer of a directory is as its files say; a vocab.txt alone says nothing of how text is split.
fn import(source: &Path, splitting: &Splitting) -> Result<Tokenizer> {
    if source.is_file() {
        return Tokenizer::from_vocabulary(source, &splitting.config());
    }
    if splitting.is_given() {
        let message = "--cased, --strip-accents and --no-chinese-characters are for a vocab.txt; expected a directory whose \
                       tokenizer_config.json says do_lower_case, strip_accents and tokenize_chinese_chars";
        return Err(Error::Usage(message.into()));
    }
    Tokenizer::load(source)
}

fn write(tokenizer: &Tokenizer, output: &Path, model_max_length: usize) -> Result<()> {
    files::write_whole(output, |directory| tokenizer.save(directory, model_max_length))?;
    say!("{} tokens -> {}", tokenizer.vocab_size(), output.display());
    Ok(())
}

fn encoded(text: &str, pieces: &[Piece]) -> serde_json::Value {
    let token = |p: &Piece| serde_json::json!({"token": p.token, "id": p.id, "start": p.start, "end": p.end});
    serde_json::json!({"text": text, "tokens": pieces.iter().map(token).collect::<Vec<_>>()})
}

/// The text of a line: that itself, or the field of an object.
fn text_of(line: &str) -> std::result::Result<String, String> {
    if !line.starts_with("{\"") {
        return Ok(line.to_owned());
    }
    let object: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    object["text"].as_str().map(str::to_owned).ok_or_else(|| "the object has no text \"text\"".into())
}

fn encode(arguments: &Encode) -> Result<()> {
    let tokenizer = Tokenizer::load(&arguments.tokenizer)?;
    if let Some(path) = &arguments.input {
        let all = files::read_text(path, files::LARGE).map_err(|error| Error::input(path, error.to_string()))?;
        for (number, line) in (1..).zip(all.split_terminator('\n')) {
            let text = text_of(line);
            let text = text.map_err(|message| Error::Input { path: path.clone(), line: Some(number), message })?;
            say!("{}", encoded(&text, &tokenizer.encode(&text)?));
        }
        return Ok(());
    }
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
        say!("{}", encoded(&text, &pieces));
    } else {
        for piece in &pieces {
            say!("{:>7} {:<20} {}..{}", piece.id, piece.token, piece.start, piece.end);
        }
    }
    Ok(())
}

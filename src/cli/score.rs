//! `electra score`

use electra_burn::scoring::pairs::{self, GroupScore, Pair};
use electra_burn::scoring::{Score, Scorer};
use electra_burn::{Error, Result, device, files};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Score sentences by what a network knows without fine-tuning, or pairs of a good and a bad one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra score --model runs/demo-1/generator 'The boys are tired.' 'The boys is tired.'
  electra score --model runs/demo-1/discriminator --input sentences.txt
  electra score --model runs/demo-1/discriminator --english
  electra score --model runs/demo-1/generator --pairs pairs.tsv --json

The generator gives the sum of the logarithms of each token's probability beside the others, the discriminator that of the
probabilities that the tokens are original. The nearer to 0, the better.")]
pub struct Arguments {
    /// Directory of a generator or a discriminator, for example runs/demo-1/generator
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The sentences
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// A file with one sentence a line; - stands for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "texts")]
    input: Option<PathBuf>,
    /// A file of pairs: JSON lines with good, bad and perhaps group, or these between tabs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["texts", "input"])]
    pairs: Option<PathBuf>,
    /// The 600 pairs of English grammar that are compiled in
    #[arg(long, conflicts_with_all = ["texts", "input", "pairs"])]
    english: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let pairs = match &arguments.pairs {
        Some(path) => Some((path.as_path(), pairs::read(path)?)),
        None => arguments.english.then(|| (Path::new(pairs::ENGLISH), pairs::english())),
    };
    let texts = if pairs.is_none() { texts(arguments)? } else { Vec::new() };
    let device = device::select(&arguments.device)?.device;
    let scorer = Scorer::open(&arguments.model, &device)?;
    match pairs {
        Some((source, pairs)) => {
            pairs::check(&pairs, source, scorer.tokenizer())?;
            judge(&scorer, &pairs, arguments.json)?;
        }
        None => {
            let scores = scorer.score(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
            print(&scorer, &texts, &scores, arguments.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn texts(arguments: &Arguments) -> Result<Vec<String>> {
    let text = match &arguments.input {
        None if arguments.texts.is_empty() => {
            return Err(Error::Usage(
                "there is nothing to score; expected a text, --input, --pairs or --english".into(),
            ));
        }
        None => return Ok(arguments.texts.clone()),
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map(|_| text).map_err(|error| Error::input("standard input", error.to_string()))?
        }
        Some(path) => files::read_text(path, files::SMALL).map_err(|error| Error::input(path, error.to_string()))?,
    };
    let texts: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if texts.is_empty() {
        return Err(Error::Usage("the input has no sentence; expected one a line".into()));
    }
    Ok(texts)
}

fn print(scorer: &Scorer, texts: &[String], scores: &[Score], json: bool) {
    if json {
        let score = |(text, score): (&String, &Score)| serde_json::json!({"text": text, "sum": score.sum, "tokens": score.tokens});
        let scores: Vec<_> = texts.iter().zip(scores).map(score).collect();
        say!("{}", serde_json::json!({"by": scorer.name(), "scores": scores}));
        return;
    }
    for (text, score) in texts.iter().zip(scores) {
        say!("{:>10.3}  {:>7.3} a token  {text}", score.sum, score.sum / score.tokens as f64);
    }
}

/// Accuracy by group, and of all.
fn judge(scorer: &Scorer, pairs: &[Pair], json: bool) -> Result<()> {
    let groups = pairs::judge(scorer, pairs, &|| false)?.unwrap_or_default();
    let all = GroupScore {
        group: "all".into(),
        pairs: groups.iter().map(|group| group.pairs).sum(),
        right: groups.iter().map(|group| group.right).sum(),
    };
    if json {
        let row = |group: &GroupScore| serde_json::json!({"group": group.group, "pairs": group.pairs, "accuracy": group.accuracy()});
        let groups: Vec<_> = groups.iter().map(row).collect();
        say!(
            "{}",
            serde_json::json!({"by": scorer.name(), "pairs": all.pairs, "accuracy": all.accuracy(), "groups": groups})
        );
        return Ok(());
    }
    say!("{} pairs by the {}; 0.5 is chance", all.pairs, scorer.name());
    let named = groups.iter().filter(|group| !group.group.is_empty() && groups.len() > 1);
    for group in named.chain([&all]) {
        say!("  {:<28} {:>5}  {:.3}", group.group, group.pairs, group.accuracy());
    }
    Ok(())
}

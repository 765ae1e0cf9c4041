//! `electra predict`

use super::progress::Working;
use electra_burn::tasks::read::Need;
use electra_burn::tasks::{Input, Kind, Model};
use electra_burn::{Error, Result, device};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Let a fine-tuned model answer.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  echo 'Where is my card?' | electra predict --model runs/intent/model
  electra predict --model runs/ner/model --input sentences.txt --json --output tags.jsonl
  electra predict --model runs/qa/model --input questions.json
  echo 'item-7 item-3' | electra predict --model runs/next/model --top-k 5")]
pub struct Arguments {
    /// Directory of the model, for example runs/intent/model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A file in a format of the task, or text with one input a line (pairs between tabs); - or nothing: standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where answers go, one a line, in the order of the inputs [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// JSON lines instead of fields between tabs
    #[arg(long)]
    json: bool,
    /// How many labels or items are told of, likeliest first [default: 1 label, 10 items]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
}

/// Inputs that are sorted by length together; answers come after each so many.
const CHUNK: usize = 2048;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let device = device::select(&arguments.device)?.device;
    let model = Model::open(&arguments.model, &device)?;
    let mut out: Box<dyn Write> = match &arguments.output {
        Some(path) => {
            let file = File::create(path).map_err(|error| Error::output(path, error.to_string()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    // Lines on a terminal are their own progress.
    let hidden = arguments.output.is_some() || !std::io::stdout().is_terminal();
    let working = hidden.then(|| Working::counting("answers"));
    let mut answer = |inputs: &[Input]| -> Result<bool> {
        for json in model.answer(inputs, arguments.top_k)? {
            let line = if arguments.json { json.to_string() } else { fields(&json) };
            if let Err(error) = writeln!(out, "{line}") {
                return closed(error, arguments);
            }
        }
        working.iter().for_each(|working| working.add(inputs.len()));
        out.flush().map_or_else(|error| closed(error, arguments), |()| Ok(true))
    };
    if let Model::Task(predictor) = &model
        && is_labelled_format(&arguments.input, predictor.task.kind())
    {
        let data = predictor.task.read(&arguments.input, Need::Optional, false)?;
        let inputs: Vec<Input> = data.rows.into_iter().map(|example| example.input).collect();
        for chunk in inputs.chunks(CHUNK) {
            if !answer(chunk)? {
                break;
            }
        }
    } else {
        by_line(&arguments.input, model.kind(), &mut answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A reader that has gone away (`| head`) is no error; a disk that is full is.
fn closed(error: std::io::Error, arguments: &Arguments) -> Result<bool> {
    match &arguments.output {
        Some(path) => Err(Error::io(path)(error)),
        None => Ok(false),
    }
}

/// Whether a file is one of those that the task is trained on, rather than plain lines.
fn is_labelled_format(path: &Path, kind: Kind) -> bool {
    let extensions: &[&str] = match kind {
        Kind::QuestionAnswering => &["json"],
        Kind::TokenClassification => &["conll", "iob", "bio", "jsonl"],
        _ => &["csv", "tsv", "jsonl", "ndjson"],
    };
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

/// Reads inputs line by line and hands them on in chunks, until `answer` says that nobody listens.
fn by_line(path: &Path, kind: Kind, answer: &mut dyn FnMut(&[Input]) -> Result<bool>) -> Result<()> {
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| Error::input(path, error.to_string()))?))
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    for (number, line) in (1..).zip(reader.lines()) {
        let unusable = |message: String| Error::Input { path: path.to_owned(), line: Some(number), message };
        let line = line.map_err(|error| unusable(error.to_string()))?;
        chunk.push(input(&line, kind).map_err(unusable)?);
        if chunk.len() == CHUNK {
            if !answer(&chunk)? {
                return Ok(());
            }
            chunk.clear();
        }
    }
    answer(&chunk).map(|_| ())
}

fn input(line: &str, kind: Kind) -> std::result::Result<Input, String> {
    let pair = line.split_once('\t');
    let is_json = line.starts_with('{');
    let object = || serde_json::from_str::<Value>(line).map_err(|error| format!("the object does not parse: {error}"));
    let field = |object: &Value, name: &str| {
        object[name].as_str().map(str::to_owned).ok_or_else(|| format!("the object has no text \"{name}\""))
    };
    match (kind, pair) {
        (Kind::QuestionAnswering, _) if is_json => {
            let object = object()?;
            Ok(Input::Question { question: field(&object, "question")?, context: field(&object, "context")?.into() })
        }
        (Kind::QuestionAnswering, Some((question, context))) => {
            Ok(Input::Question { question: question.to_owned(), context: context.into() })
        }
        (Kind::QuestionAnswering, None) => {
            Err("expected a question and a context between tabs, or an object with both".into())
        }
        (Kind::Ranking, None) => Err("expected a query and a document between tabs".into()),
        (Kind::TokenClassification | Kind::Recommendation, _) => {
            Ok(Input::Words(line.split_whitespace().map(str::to_owned).collect()))
        }
        (_, Some((first, second))) => Ok(Input::Pair(first.to_owned(), second.to_owned())),
        (_, None) => Ok(Input::Text(line.to_owned())),
    }
}

/// The answer in fields between tabs: label and probability, likeliest first; tags; a score; the text of an answer.
fn fields(json: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.replace(['\t', '\n'], " "),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |number| format!("{number:.4}")),
        other => other.to_string(),
    };
    let join = |values: &[Value]| values.iter().map(&text).collect::<Vec<_>>().join(" ");
    if let Some(labels) = json["labels"].as_array() {
        return join(labels);
    }
    if let Some(top) = json["top"].as_array() {
        let pairs: Vec<String> = top
            .iter()
            .map(|top| format!("{}\t{}", text(top.get("item").unwrap_or(&top["label"])), text(&top["probability"])))
            .collect();
        return pairs.join("\t");
    }
    if let Some(tags) = json["tags"].as_array() {
        return join(tags);
    }
    let found = ["answer", "score"].into_iter().find(|key| !json[*key].is_null());
    found.map_or_else(String::new, |key| text(&json[key]))
}

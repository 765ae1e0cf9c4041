//! `electra predict`

use super::inputs::{by_line, is_labelled_format, parse};
use burn::tensor::Device;
use electra_burn::tasks::read::Need;
use electra_burn::tasks::{Input, Kind, Predictor, Recommender};
use electra_burn::{Error, Result, device};
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Write};
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
    let mut answer = |inputs: &[Input]| -> Result<bool> {
        for json in model.answer(inputs, arguments.top_k)? {
            let line = if arguments.json { json.to_string() } else { fields(&json) };
            if let Err(error) = writeln!(out, "{line}") {
                return closed(error, arguments);
            }
        }
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
        let kind = model.kind();
        by_line(&arguments.input, CHUNK, &|line| parse(line, kind), &mut answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What answers.
enum Model {
    Task(Box<Predictor>),
    Recommender(Box<Recommender>),
}

impl Model {
    fn open(directory: &Path, device: &Device) -> Result<Self> {
        Ok(match Recommender::is_at(directory) {
            true => Self::Recommender(Box::new(Recommender::open(directory, device)?)),
            false => Self::Task(Box::new(Predictor::open(directory, device)?)),
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Task(predictor) => predictor.task.kind(),
            Self::Recommender(_) => Kind::Recommendation,
        }
    }

    /// The answers to `inputs`, in their order.
    fn answer(&self, inputs: &[Input], top_k: Option<usize>) -> Result<Vec<Value>> {
        match self {
            Self::Task(predictor) => {
                let predictions = predictor.predict(inputs)?;
                let json = |(input, prediction)| predictor.task.to_json(input, prediction, top_k.unwrap_or(1));
                Ok(inputs.iter().zip(&predictions).map(json).collect())
            }
            Self::Recommender(recommender) => {
                let words = |input: &Input| match input {
                    Input::Words(words) => words.clone(),
                    _ => Vec::new(),
                };
                let sessions: Vec<Vec<String>> = inputs.iter().map(words).collect();
                let suggested = recommender.suggest(&sessions, top_k.unwrap_or(10))?;
                Ok(suggested.into_iter().map(|top| serde_json::json!({"top": top})).collect())
            }
        }
    }
}

/// A reader that has gone away (`| head`) is no error; a disk that is full is.
fn closed(error: std::io::Error, arguments: &Arguments) -> Result<bool> {
    match &arguments.output {
        Some(path) => Err(Error::io(path)(error)),
        None => Ok(false),
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

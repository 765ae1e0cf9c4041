//! `electra predict`

use super::device::Answering;
use super::inputs::{by_line, parse};
use super::labelled::{Labelled, note};
use super::progress::Working;
use electra_burn::files::Replacement;
use electra_burn::tasks::read::{Need, Reading, check_options, holds_rows, read_sessions};
use electra_burn::tasks::{Input, Kind, Model};
use electra_burn::{Error, Result};
use serde_json::Value;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
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
    /// The task that another program has fine-tuned the model for, where its files do not say
    #[arg(long)]
    task: Option<Kind>,
    #[command(flatten)]
    labelled: Labelled,
    /// JSON lines instead of fields between tabs
    #[arg(long)]
    json: bool,
    /// How many labels or items to print, likeliest first [default: 1 label, 10 items]
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    #[command(flatten)]
    answering: Answering,
}

/// Inputs that are sorted by length together; answers come after each such chunk.
const CHUNK: usize = 2048;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (adapter, precision) = arguments.answering.open()?;
    let mut model = Model::open_as(&arguments.model, arguments.task, &adapter.device)?;
    model.set_precision(precision)?;
    model.note().iter().for_each(|note| eprintln!("{note}"));
    let reading = &arguments.labelled.reading();
    check_options(model.kind(), reading)?;
    if let Some(output) = &arguments.output
        && let (Ok(output), Ok(input)) = (output.canonicalize(), arguments.input.canonicalize())
        && output == input
    {
        return Err(Error::output(output, "this is the input; expected another file"));
    }
    // A file that exists stays as it is until all answers are there.
    let mut file = arguments.output.as_deref().map(Replacement::new).transpose()?;
    let mut out: Box<dyn Write + '_> = match &mut file {
        Some(file) => Box::new(BufWriter::new(file)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    // Lines on a terminal are their own progress.
    let hidden = arguments.output.is_some() || !std::io::stdout().is_terminal();
    let working = hidden.then(|| Working::counting("answers"));
    let mut is_first = true;
    let mut answer = |inputs: &[Input], ids: &[String]| -> Result<bool> {
        if let Model::Task(predictor) = &model
            && std::mem::take(&mut is_first)
        {
            predictor.doubts(inputs)?.iter().for_each(|doubt| eprintln!("{doubt}"));
            arguments.answering.remark(predictor, inputs)?.iter().for_each(|remark| eprintln!("{remark}"));
        }
        for (at, mut json) in model.answer(inputs, arguments.top_k)?.into_iter().enumerate() {
            if let Some(id) = ids.get(at).filter(|id| !id.is_empty()) {
                json["id"] = id.as_str().into();
            }
            let line = if arguments.json { json.to_string() } else { fields(&json) };
            if let Err(error) = writeln!(out, "{line}") {
                return closed(error, arguments);
            }
        }
        working.iter().for_each(|working| working.add(inputs.len()));
        out.flush().map_or_else(|error| closed(error, arguments), |()| Ok(true))
    };
    if holds_rows(&arguments.input, model.kind(), reading)? {
        let (inputs, ids) = rows(&model, &arguments.input, reading)?;
        for (inputs, ids) in inputs.chunks(CHUNK).zip(ids.chunks(CHUNK)) {
            if !answer(inputs, ids)? {
                break;
            }
        }
    } else {
        let kind = model.kind();
        let parse = |line: &str| parse(line, kind, reading.format);
        by_line(&arguments.input, CHUNK, reading, &parse, &mut |inputs| answer(inputs, &[]))?;
    }
    drop(out);
    file.map_or(Ok(()), Replacement::finish)?;
    Ok(ExitCode::SUCCESS)
}

/// The inputs in the rows of a file, and what the file calls them: a question's id, a user.
fn rows(model: &Model, path: &Path, reading: &Reading) -> Result<(Vec<Input>, Vec<String>)> {
    Ok(match model {
        Model::Task(predictor) => {
            let data = predictor.task.read(path, Need::Ignored, reading)?;
            note(&data);
            data.rows.into_iter().map(|example| (example.input, example.group)).unzip()
        }
        Model::Recommender(_) => {
            let data = read_sessions(path, 1, reading.skip_bad_rows)?;
            note(&data);
            data.rows.into_iter().map(|session| (Input::Words(session.items), session.user)).unzip()
        }
    })
}

/// A reader that has gone away (`| head`) is no error; a disk that is full is.
fn closed(error: std::io::Error, arguments: &Arguments) -> Result<bool> {
    match &arguments.output {
        Some(path) => Err(Error::io(path)(error)),
        None if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        None => Err(Error::output("standard output", error.to_string())),
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

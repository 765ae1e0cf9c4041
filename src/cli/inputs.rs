//! Inputs of fine-tuned models, one a line.

use electra_burn::tasks::read::{Form, Reading, is_known_header, object_input};
use electra_burn::tasks::{Input, Kind};
use electra_burn::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Reads inputs line by line (`-`: standard input) and hands them on in chunks of `size`, until `answer` says that nobody
/// listens. Bad lines are left out, counted and said, where `reading` says so.
pub fn by_line(
    path: &Path,
    size: usize,
    reading: &Reading,
    parse: &dyn Fn(&str) -> std::result::Result<Input, String>,
    answer: &mut dyn FnMut(&[Input]) -> Result<bool>,
) -> Result<()> {
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| Error::input(path, error.to_string()))?))
    };
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    eprintln!("{name}: an input a line");
    let (skip, literal) = (reading.skip_bad_rows, reading.format == Some(Form::Lines));
    let mut chunk = Vec::with_capacity(size);
    let mut bad = 0;
    for (number, line) in (1..).zip(reader.split(b'\n')) {
        let line = line.map_err(|error| Error::input(path, error.to_string()))?;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let text = std::str::from_utf8(line).map_err(|error| {
            format!("byte {} of the line is not UTF-8; expected text in UTF-8", error.valid_up_to() + 1)
        });
        if number == 1 && text.as_ref().is_ok_and(|text| is_known_header(text)) && !literal {
            let message = "this is the header of a table; expected inputs, or the name of a file with the table, or --format lines";
            return Err(Error::Input { path: path.to_owned(), line: Some(number), message: message.into() });
        }
        match text.and_then(parse) {
            Ok(input) => chunk.push(input),
            Err(message) => {
                let error = Error::Input { path: path.to_owned(), line: Some(number), message };
                if !skip {
                    return Err(error);
                }
                bad += 1;
                if bad == 1 {
                    eprintln!("left out: {error}");
                }
            }
        }
        if chunk.len() == size {
            if !answer(&chunk)? {
                return Ok(());
            }
            chunk.clear();
        }
    }
    if bad > 1 {
        eprintln!("{}: {bad} bad lines left out in all", path.display());
    }
    answer(&chunk).map(|_| ())
}

/// What a line holds for a task: a text, a pair between tabs, words, a question and its context; or a JSON object with such
/// fields, unless `format` says that lines are texts.
pub fn parse(line: &str, kind: Kind, format: Option<Form>) -> std::result::Result<Input, String> {
    if line.trim_start().starts_with("{\"") && format != Some(Form::Lines) && kind != Kind::Recommendation {
        return object_input(line, kind)
            .map_err(|message| format!("{message}; --format lines takes lines as they are"));
    }
    match (kind, line.split_once('\t')) {
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
        (_, Some((_, second))) if second.contains('\t') => Err(format!(
            "the line has {} fields between tabs; expected a text, or two for a pair; --text-column NAME or N reads a table",
            line.split('\t').count()
        )),
        (_, Some((first, second))) => Ok(Input::Pair(first.to_owned(), second.to_owned())),
        (_, None) => Ok(Input::Text(line.to_owned())),
    }
}

//! How labelled files are read: what the commands that read them share.

use super::training::path;
use electra_burn::config::{Form, Reading};
use electra_burn::tasks::read::Loaded;
use std::path::PathBuf;
use toml::Value;

/// How labelled files are read. What is not given is found out from their contents and names, and said.
#[derive(clap::Args)]
pub struct Labelled {
    /// Count bad rows and leave them out
    #[arg(long)]
    skip_bad_rows: bool,
    /// What the files look like: tsv, csv, json, conll or lines [default: by contents and name]
    #[arg(long)]
    format: Option<Form>,
    /// Column or field of the texts, two for pairs; a number from 1 where there is no header [default: by name]
    #[arg(long, num_args = 1..=2, value_name = "NAME")]
    text_column: Vec<String>,
    /// Column or field of the labels [default: by name]
    #[arg(long, value_name = "NAME")]
    label_column: Option<String>,
    /// Column of the words of a file with a word a line, by number from 1 [default: the first that does not count]
    #[arg(long, value_name = "N")]
    word_column: Option<String>,
    /// Column of the tags [default: the last]
    #[arg(long, value_name = "N")]
    tag_column: Option<String>,
    /// A file with the names of labels or tags that are numbers, one a line from 0 on
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
}

impl Labelled {
    /// For the library.
    pub fn reading(&self) -> Reading {
        Reading {
            skip_bad_rows: self.skip_bad_rows,
            multi_label: false,
            format: self.format,
            text_columns: self.text_column.clone(),
            label_column: self.label_column.clone(),
            word_column: self.word_column.clone(),
            tag_column: self.tag_column.clone(),
            labels: self.labels.clone(),
        }
    }

    /// What was given, as keys of the configuration.
    pub fn flags(&self) -> Vec<(String, Value)> {
        let text = |text: &String| Value::String(text.clone());
        let texts = Value::Array(self.text_column.iter().map(text).collect());
        let all = [
            ("data.skip_bad_rows", self.skip_bad_rows.then_some(Value::Boolean(true))),
            ("data.format", self.format.map(|form| Value::String(form.name().into()))),
            ("data.text_columns", (!self.text_column.is_empty()).then_some(texts)),
            ("data.label_column", self.label_column.as_ref().map(text)),
            ("data.word_column", self.word_column.as_ref().map(text)),
            ("data.tag_column", self.tag_column.as_ref().map(text)),
            ("data.labels", self.labels.as_deref().map(path)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Says on standard error what was taken for what in `data`, and what was left out.
pub fn note<T>(data: &Loaded<T>) {
    let file = data.path.display();
    data.notes.iter().for_each(|note| eprintln!("{file}: {note}"));
    if data.skipped.count > 0 {
        eprintln!("{file}: {} bad rows left out; the first ones:", data.skipped.count);
        data.skipped.first.iter().for_each(|message| eprintln!("  {message}"));
    }
}

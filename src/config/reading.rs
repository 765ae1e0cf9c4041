//! How labelled files are read, as the commands and the configuration of fine-tuning have it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a file of examples looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Fields between tabs.
    Tsv,
    /// Fields between commas or semicolons, which quotes may hold.
    Csv,
    /// JSON objects, one a line or in an array.
    Json,
    /// A word a line with its tag, and a blank line after each sentence.
    Conll,
    /// An input a line, without labels.
    Lines,
}

impl Form {
    /// As a configuration calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tsv => "tsv",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Conll => "conll",
            Self::Lines => "lines",
        }
    }
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "tsv" => Ok(Self::Tsv),
            "csv" => Ok(Self::Csv),
            "json" | "jsonl" => Ok(Self::Json),
            "conll" => Ok(Self::Conll),
            "lines" => Ok(Self::Lines),
            _ => Err("expected tsv, csv, json, conll or lines".into()),
        }
    }
}

/// How the labelled files of a command are read. What is absent is found out from a file's name and contents, and said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bad rows are counted and left out.
    pub skip_bad_rows: bool,
    /// A text may have several labels, between `|` where the format has no lists.
    pub multi_label: bool,
    /// What the files look like.
    pub format: Option<Form>,
    /// The columns of one text or two, by name, or by number from 1 where there is no header.
    pub text_columns: Vec<String>,
    /// The column of labels.
    pub label_column: Option<String>,
    /// The column of words, of a file with a word a line: a number from 1, or a field of JSON.
    pub word_column: Option<String>,
    /// The column of tags.
    pub tag_column: Option<String>,
    /// A file with the names of labels that are numbers, one a line from 0 on.
    pub labels: Option<PathBuf>,
}

//! How a corpus is read and stored.

use serde::{Deserialize, Serialize};

/// How files become documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusConfig {
    /// Format of all files; absent: by their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Field or column that holds the text, in JSON lines, CSV, TSV and Parquet.
    pub text_field: String,
    /// What ends a document in plain text.
    pub boundary: Boundary,
    /// What becomes of text that is not UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// Leave out documents that are equal to an earlier one.
    pub drop_duplicates: bool,
}

impl Default for CorpusConfig {
    fn default() -> Self {
        Self {
            format: None,
            text_field: "text".into(),
            boundary: Boundary::default(),
            invalid_utf8: InvalidUtf8::default(),
            drop_duplicates: false,
        }
    }
}

/// Defines an enum whose values have names, in configuration files and on the command line.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $value,)+
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$value),)+
                    _ => Err(format!("expected one of {}", [$($text),+].join(", "))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(match self { $(Self::$value => $text,)+ })
            }
        }
    };
}

named! {
    /// Format of a file, compression aside.
    Format {
        /// Plain text.
        Text = "text",
        /// One JSON object a line.
        Jsonl = "jsonl",
        /// Comma-separated values with a header.
        Csv = "csv",
        /// The same with tabs.
        Tsv = "tsv",
        /// Apache Parquet.
        Parquet = "parquet",
    }
}

named! {
    /// What ends a document in plain text.
    #[derive(Default)]
    Boundary {
        /// A blank line.
        #[default]
        BlankLine = "blank-line",
        /// Every line.
        Line = "line",
    }
}

named! {
    /// What becomes of a line or record that is not UTF-8.
    #[derive(Default)]
    InvalidUtf8 {
        /// Reading stops with an error that names it.
        #[default]
        Error = "error",
        /// It is left out and counted.
        Skip = "skip",
        /// The bytes become U+FFFD, and it is counted.
        Replace = "replace",
    }
}

//! Arguments and output that the commands which read a corpus share.

use electra_burn::config::{Boundary, CorpusConfig, Format, InvalidUtf8};
use electra_burn::corpus::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How files become documents.
#[derive(clap::Args)]
pub struct Reading {
    /// Format of all files [default: by name; text, jsonl, csv, tsv, parquet; .gz, .zst and .xz are unpacked]
    #[arg(long)]
    format: Option<Format>,
    /// Field or column that holds the text [default: text]
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// What ends a document in plain text: blank-line or line [default: blank-line]
    #[arg(long, value_name = "BOUNDARY")]
    documents: Option<Boundary>,
    /// What becomes of text that is not UTF-8: error, skip or replace [default: error]
    #[arg(long, value_name = "POLICY")]
    invalid_utf8: Option<InvalidUtf8>,
    /// Leave out documents that are equal to an earlier one
    #[arg(long)]
    drop_duplicates: bool,
}

impl Reading {
    /// Replaces what is configured by what was given.
    pub fn apply(&self, config: &mut CorpusConfig) {
        config.format = self.format.or(config.format);
        if let Some(field) = &self.text_field {
            config.text_field.clone_from(field);
        }
        config.boundary = self.documents.unwrap_or(config.boundary);
        config.invalid_utf8 = self.invalid_utf8.unwrap_or(config.invalid_utf8);
        config.drop_duplicates |= self.drop_duplicates;
    }

    /// The same without a configuration.
    pub fn config(&self) -> CorpusConfig {
        let mut config = CorpusConfig::default();
        self.apply(&mut config);
        config
    }
}

/// Prints stages as lines and draws the share that was read, where there is a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub fn show(&self, progress: Progress) {
        match progress {
            Progress::Stage(message) => {
                self.0.reset();
                self.0.suspend(|| say!("{message}"));
            }
            Progress::Share { done, total } => {
                self.0.set_length(total.max(done));
                self.0.set_position(done);
                if done >= total {
                    self.0.finish_and_clear();
                }
            }
        }
    }
}

//! Pretraining of ELECTRA text encoders by replaced token detection, on any device that Burn reaches; fine-tuning of what
//! comes out, and answers from it.
//!
//! # Pretrain
//!
//! ```
//! use electra_burn::prelude::*;
//!
//! # let place = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(place.path()).unwrap();
//! // The demonstration, on a small corpus that is compiled in. For text of one's own: `tiny`, and `config.data.corpus`.
//! let mut config = Config::preset("demo")?;
//! config.training.steps = 1000;
//! # config = electra_burn::config::load(&electra_burn::config::Source { set: vec!["training.steps=4".into(), "model.num_hidden_layers=1".into(), "data.batch_size=2".into()], ..Default::default() })?;
//! let adapters = Adapters::select("auto", None)?;
//! let trained = pretrain(&config, RunOptions::new("runs/mine", adapters))?;
//! // runs/mine/discriminator and runs/mine/generator, which `transformers` opens too.
//! trained.export("runs/mine")?;
//! # assert!(std::path::Path::new("runs/mine/discriminator/model.safetensors").is_file());
//! # Ok::<(), electra_burn::Error>(())
//! ```
//!
//! # Fine-tune
//!
//! ```no_run
//! use electra_burn::prelude::*;
//!
//! let mut config = FinetuneConfig::new(Kind::Classification, "runs/mine/discriminator", "train.tsv", "dev.tsv");
//! config.epochs = Some(5.0);
//! config.data.test = Some("test.tsv".into());
//! let report = finetune(&config, RunOptions::new("runs/intent", Adapters::select("auto", None)?))?;
//! println!("{}: {:?} on test", report.metric, report.test.and_then(|test| test.get(&report.metric).copied()));
//! # Ok::<(), electra_burn::Error>(())
//! ```
//!
//! # Predict
//!
//! ```no_run
//! use electra_burn::prelude::*;
//!
//! let adapters = Adapters::select("auto", None)?;
//! let model = Predictor::open("runs/intent/model".as_ref(), &adapters.main().device)?;
//! for prediction in model.predict(&["Where is my card?".into(), "What does a loan cost?".into()])? {
//!     println!("{}", model.task.labels()[prediction.class().expect("the model classifies")]);
//! }
//! # Ok::<(), electra_burn::Error>(())
//! ```
//!
//! # Resume, stop, watch
//!
//! [`RunOptions`](learner::RunOptions) has the rest: `resume` takes a run up again after its newest checkpoint, a number in `signal` stops it
//! after one, and `observers` receive what happens, of pretraining and of fine-tuning. The library prints nothing by itself;
//! `examples/pretrain.rs` has an observer that prints lines.
//!
//! # All of it
//!
//! ```
//! use electra_burn::prelude::*;
//!
//! # let place = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(place.path()).unwrap();
//! # let rows: String = (0..8).map(|row| format!("{} {row}\t{}\n", ["sun", "rain"][row % 2], ["fair", "wet"][row % 2])).collect();
//! # std::fs::write("weather.tsv", format!("text\tlabel\n{rows}")).unwrap();
//! let adapters = Adapters::select("auto", None)?;
//! let config = Config::preset("demo")?;
//! # let config = electra_burn::config::load(&electra_burn::config::Source { set: vec!["training.steps=4".into(), "model.num_hidden_layers=1".into(), "data.batch_size=2".into()], ..Default::default() })?;
//! pretrain(&config, RunOptions::new("pretrained", adapters.clone()))?.export("pretrained")?;
//!
//! let task = FinetuneConfig::new(Kind::Classification, "pretrained/discriminator", "weather.tsv", "weather.tsv");
//! finetune(&task, RunOptions::new("finetuned", adapters.clone()))?;
//!
//! let model = Predictor::open("finetuned/model".as_ref(), &adapters.main().device)?;
//! for prediction in model.predict(&["rain again".into()])? {
//!     println!("{}", model.task.labels()[prediction.class().expect("the model classifies")]);
//! }
//! # Ok::<(), electra_burn::Error>(())
//! ```
//!
//! # Features
//!
//! A library needs a backend and nothing else: `default-features = false, features = ["flex"]`. `wgpu`, `cuda` and others add
//! GPUs, `parquet` corpora in that format, `remote` devices of other hosts, `web` the dashboard and the server, and `cli` the program
//! `electra` with its terminal and its reports.
//!
//! # Structure
//!
//! Data flows one way: [`config`] -> [`tokenizer`] -> [`corpus`] -> [`data`] -> [`kernels`] -> [`model`] -> [`objective`],
//! [`scoring`], [`hub`] -> [`learner`] -> [`bench`](mod@bench) -> [`predict`], [`tasks`] -> [`explain`]. A module uses those before it in
//! this list and none after it.
//!
//! Reference: Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators", ICLR 2020.

#![warn(missing_docs, unreachable_pub)]
// What a program decides, a library leaves to it.
#![warn(clippy::exit, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

pub mod bench;
pub mod config;
pub mod corpus;
pub mod data;
pub mod device;
pub mod error;
pub mod explain;
#[doc(hidden)]
pub mod files;
mod html;
#[cfg(feature = "web")]
#[doc(hidden)]
pub mod http;
pub mod hub;
mod json;
pub mod kernels;
pub mod learner;
pub mod metrics;
pub mod model;
pub mod objective;
pub mod predict;
#[cfg(feature = "cli")]
pub mod report;
mod rows;
pub mod scoring;
#[cfg(feature = "web")]
pub mod serve;
mod suggest;
pub mod tasks;
#[cfg(any(feature = "remote", feature = "web"))]
#[doc(hidden)]
pub mod token;
pub mod tokenizer;
#[cfg(feature = "web")]
pub mod web;

pub use config::Config;
pub use error::{Error, Result};

/// What most programs use.
pub mod prelude {
    pub use crate::config::{Config, FinetuneConfig, Kind};
    pub use crate::device::Adapters;
    pub use crate::error::{Error, Result};
    pub use crate::explain::Explainer;
    pub use crate::learner::{Observers, RunOptions, TrainObserver, pretrain};
    pub use crate::predict::{Detector, Filler, TextEncoder};
    pub use crate::tasks::{Input, Predictor, finetune};
}

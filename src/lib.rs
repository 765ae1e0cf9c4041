//! Pretraining of ELECTRA text encoders by replaced token detection, on any device that Burn reaches.
//!
//! Data flows one way: [`config`] -> [`tokenizer`] -> [`corpus`] -> [`data`] -> [`kernels`] ->
//! [`model`] -> [`objective`], [`scoring`], [`hub`] -> [`learner`] -> [`bench`] -> [`predict`], [`tasks`] -> [`explain`], [`report`]. A module uses
//! those before it in this list and none after it.
//!
//! Reference: Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators", ICLR 2020.

#![warn(missing_docs)]

pub mod bench;
pub mod config;
pub mod corpus;
pub mod data;
pub mod device;
pub mod error;
pub mod explain;
pub mod files;
mod html;
#[cfg(feature = "web")]
pub mod http;
pub mod hub;
mod json;
pub mod kernels;
pub mod learner;
pub mod metrics;
pub mod model;
pub mod objective;
pub mod predict;
pub mod report;
mod rows;
pub mod scoring;
#[cfg(feature = "web")]
pub mod serve;
pub mod tasks;
#[cfg(any(feature = "remote", feature = "web"))]
pub mod token;
pub mod tokenizer;
#[cfg(feature = "web")]
pub mod web;

pub use config::Config;
pub use electra_runs::readable_count;
pub use error::{Error, Result};

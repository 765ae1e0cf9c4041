//! What is read: corpora, labelled files, files that nobody expects; and what is computed of answers.

#[path = "../common/mod.rs"]
mod common;

mod corpus;
mod files;
mod hostile;
mod metrics;

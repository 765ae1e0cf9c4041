//! Fine-tuning, and what fine-tuned models answer: one file a task.
//!
//! Labelled files ([`read`]) become [`Example`]s, these [`Feature`]s, these batches; a [`Network`] gives logits, a
//! [`Task`] makes [`Prediction`]s of them and judges these by the field's metrics. [`finetune`] is a run of the learner,
//! [`Predictor`] a model that answers. Recommendation goes another way: it pretrains a pair on items, and a [`Recommender`]
//! answers.

mod batch;
mod classification;
mod data;
mod example;
mod feature;
mod finetune;
mod foreign;
mod glue;
mod labels;
mod loader;
mod model;
mod network;
mod order;
mod predictor;
mod question_answering;
mod ranking;
pub mod read;
mod recipe;
mod recommendation;
mod registry;
mod regression;
mod report;
mod resume;
mod scheme;
mod seeds;
mod shared;
mod tally;
mod task;
mod texts;
mod token_classification;

pub use crate::config::Kind;
pub use batch::{Targets, TaskBatch, TaskHostBatch};
pub use classification::Classification;
pub use example::{Example, Gold, Input, Prediction};
pub use feature::{Feature, NO_CLASS, Target};
pub use finetune::finetune;
pub use glue::{GlueFolder, GlueReport, GlueRow, GlueTask, glue, glue_folders};
pub use loader::{TaskSteps, TaskValidLoader};
pub use model::Model;
pub use network::{Finetuner, Head, Loss, Network};
pub use order::{batches_by_length, training_batches};
pub use predictor::{Predictor, outputs_of};
pub use question_answering::QuestionAnswering;
pub use ranking::RankingTask;
pub use recommendation::{Recommender, Suggestion};
pub use registry::Task;
pub use regression::Regression;
pub use report::FinetuneReport;
pub use seeds::{SeedsReport, Spread, finetune_seeds};
pub use tally::{TaskRecord, TaskStatistics, TaskTally};
pub use task::{Cell, Encoding, Metrics, ResultTable, Work};
pub use token_classification::TokenClassification;

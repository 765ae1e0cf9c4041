//! All tasks behind one type.

use super::classification::Classification;
use super::example::Example;
use super::question_answering::QuestionAnswering;
use super::ranking::RankingTask;
use super::read::{Loaded, Need, Reading, check_options};
use super::regression::Regression;
use super::task::Work;
use super::token_classification::TokenClassification;
use crate::config::Kind;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A task with what it has learned of its training data, as it stands in a model's `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum Task {
    /// One label of several, or several at once.
    Classification(Classification),
    /// A number.
    Regression(Regression),
    /// A tag for every word.
    TokenClassification(TokenClassification),
    /// The span that answers a question.
    QuestionAnswering(QuestionAnswering),
    /// A score of relevance.
    Ranking(RankingTask),
}

impl Task {
    /// The task that the training data at `path` ask for, and its examples.
    ///
    /// # Errors
    /// A file or row that cannot be used, with file, line and column; one class only; an option that the task
    /// does not have; a task that is none of an encoder.
    pub fn prepare(kind: Kind, path: &Path, reading: &Reading) -> Result<(Self, Loaded<Example>)> {
        check_options(kind, reading)?;
        Ok(match kind {
            Kind::Classification => {
                let (task, examples) = Classification::prepare(path, reading)?;
                (Self::Classification(task), examples)
            }
            Kind::Regression => {
                let task = Regression {};
                let examples = task.read(path, Need::Required, reading)?;
                (Self::Regression(task), examples)
            }
            Kind::TokenClassification => {
                let (task, examples) = TokenClassification::prepare(path, reading)?;
                (Self::TokenClassification(task), examples)
            }
            Kind::QuestionAnswering => {
                let (task, examples) = QuestionAnswering::prepare(path, reading)?;
                (Self::QuestionAnswering(task), examples)
            }
            Kind::Ranking => {
                let (task, examples) = RankingTask::prepare(path, reading)?;
                (Self::Ranking(task), examples)
            }
            Kind::Recommendation => {
                let message = "recommendation has no encoder and no examples; expected the task of an encoder";
                return Err(Error::config("task", message));
            }
        })
    }

    /// Which task it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Classification(_) => Kind::Classification,
            Self::Regression(_) => Kind::Regression,
            Self::TokenClassification(_) => Kind::TokenClassification,
            Self::QuestionAnswering(_) => Kind::QuestionAnswering,
            Self::Ranking(_) => Kind::Ranking,
        }
    }
}

impl std::ops::Deref for Task {
    type Target = dyn Work;

    fn deref(&self) -> &(dyn Work + 'static) {
        match self {
            Self::Classification(task) => task,
            Self::Regression(task) => task,
            Self::TokenClassification(task) => task,
            Self::QuestionAnswering(task) => task,
            Self::Ranking(task) => task,
        }
    }
}

impl std::ops::DerefMut for Task {
    fn deref_mut(&mut self) -> &mut (dyn Work + 'static) {
        match self {
            Self::Classification(task) => task,
            Self::Regression(task) => task,
            Self::TokenClassification(task) => task,
            Self::QuestionAnswering(task) => task,
            Self::Ranking(task) => task,
        }
    }
}

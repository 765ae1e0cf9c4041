//! Whatever answers: a fine-tuned encoder, or a pair that recommends.

use super::example::Input;
use super::predictor::Predictor;
use super::recommendation::Recommender;
use crate::config::{Kind, Precision};
use crate::error::{Error, Result};
use crate::hub;
use burn::tensor::Device;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// A loaded model of any task.
pub enum Model {
    /// An encoder with a head.
    Task(Arc<Predictor>),
    /// A pair.
    Recommender(Box<Recommender>),
}

impl Model {
    /// Opens a directory that fine-tuning or recommendation has written.
    ///
    /// # Errors
    /// Those of [`Predictor::open`] and [`Recommender::open`].
    pub fn open(directory: &Path, device: &Device) -> Result<Self> {
        Self::open_as(directory, None, device)
    }

    /// [`open`](Self::open) of a model that another program may have fine-tuned for the task `kind`.
    ///
    /// # Errors
    /// Those of [`Predictor::open_as`] and [`Recommender::open`].
    pub fn open_as(directory: &Path, kind: Option<Kind>, device: &Device) -> Result<Self> {
        let directory = &hub::place(directory, &["model"])?;
        Ok(match Recommender::is_at(directory) {
            true => Self::Recommender(Box::new(Recommender::open(directory, device)?)),
            false => Self::Task(Arc::new(Predictor::open_as(directory, kind, device)?)),
        })
    }

    /// What was taken for its task, where no file names one.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::Task(predictor) => predictor.note.as_deref(),
            Self::Recommender(_) => None,
        }
    }

    /// Its task.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Task(predictor) => predictor.task.kind(),
            Self::Recommender(_) => Kind::Recommendation,
        }
    }

    /// Computes products in `precision` from here on.
    ///
    /// # Errors
    /// [`Error::Usage`] for a recommender, which has the widest format of its device alone.
    pub fn set_precision(&mut self, precision: Precision) -> Result<()> {
        match self {
            Self::Task(predictor) => match Arc::get_mut(predictor) {
                Some(predictor) => predictor.precision = precision,
                None => return Err(Error::internal("the model answers already")),
            },
            Self::Recommender(_) => Recommender::check_precision(precision)?,
        }
        Ok(())
    }

    /// The answers to `inputs` as JSON objects, in their order; `top_k` labels or items, by default 1 label or 10 items.
    ///
    /// # Errors
    /// The tokenizer's and the device's.
    pub fn answer(&self, inputs: &[Input], top_k: Option<usize>) -> Result<Vec<Value>> {
        match self {
            Self::Task(predictor) => {
                let predictions = predictor.predict(inputs)?;
                let json = |(input, prediction)| predictor.task.to_json(input, prediction, top_k.unwrap_or(1));
                Ok(inputs.iter().zip(&predictions).map(json).collect())
            }
            Self::Recommender(recommender) => {
                let words = |input: &Input| match input {
                    Input::Words(words) => words.clone(),
                    _ => Vec::new(),
                };
                let sessions: Vec<Vec<String>> = inputs.iter().map(words).collect();
                let suggested = recommender.suggest(&sessions, top_k.unwrap_or(10))?;
                Ok(suggested.into_iter().map(|top| json!({"top": top})).collect())
            }
        }
    }
}

//! The thread that computes, and the queue in front of it.

use super::figures::Figures;
use crate::error::Error;
use crate::explain::{Bounds, Explainer, Options};
use crate::tasks::{Input, Model};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What is asked of the model.
#[derive(Debug)]
pub(super) enum Question {
    /// Its predictions.
    Predict { inputs: Vec<Input>, top_k: Option<usize> },
    /// Vectors of texts.
    Embed(Vec<String>),
    /// Reasons.
    Explain { inputs: Vec<Input>, options: Options },
}

impl Question {
    fn len(&self) -> usize {
        match self {
            Self::Predict { inputs, .. } | Self::Explain { inputs, .. } => inputs.len(),
            Self::Embed(texts) => texts.len(),
        }
    }
}

/// A question that several requests share, with how many of its inputs are whose.
type Group = (Question, Vec<(usize, oneshot::Sender<Answer>)>);

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The question cannot be answered.
    Question(String),
    /// Something went wrong inside.
    Inside(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Usage(message) => Self::Question(message),
            error => Self::Inside(error.to_string()),
        }
    }
}

/// One answer an input.
pub(super) type Answer = Result<Vec<Value>, Failure>;

struct Job {
    question: Question,
    answer: oneshot::Sender<Answer>,
}

/// How long the first of a batch waits for as many as the last one had.
const GATHER: Duration = Duration::from_millis(1);

/// What answers.
pub(super) struct Models {
    pub model: Model,
    /// Asks the same model for reasons; a recommender has none.
    pub explainer: Option<Explainer>,
}

/// The way to the thread that computes; it ends with the last of these.
#[derive(Clone)]
pub(super) struct Queue(mpsc::UnboundedSender<Job>);

impl Queue {
    /// Begins a thread that computes with `models`, at most `most` inputs together.
    pub fn new(models: Models, most: usize, figures: Arc<Figures>) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Job>();
        thread::spawn(move || {
            let (mut next, mut crowd) = (None, 1);
            while let Some(first) = next.take().or_else(|| receiver.blocking_recv()) {
                let mut inputs = first.question.len();
                let mut jobs = vec![first];
                let begun = Instant::now();
                while inputs < most {
                    let Ok(job) = receiver.try_recv() else {
                        // Those who were answered together are about to ask again.
                        if jobs.len() >= crowd || begun.elapsed() > GATHER {
                            break;
                        }
                        thread::sleep(GATHER / 10);
                        continue;
                    };
                    inputs += job.question.len();
                    if inputs > most {
                        next = Some(job);
                        break;
                    }
                    jobs.push(job);
                }
                crowd = jobs.len();
                // Whoever has gone away needs no answer.
                jobs.retain(|job| !job.answer.is_closed());
                compute(&models, jobs, &figures);
            }
        });
        Self(sender)
    }

    /// Asks, and waits.
    pub async fn ask(&self, question: Question) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = || Failure::Inside("the model is gone".into());
        self.0.send(Job { question, answer }).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Answers `jobs`, those that are alike together.
fn compute(models: &Models, jobs: Vec<Job>, figures: &Figures) {
    let mut groups: Vec<Group> = Vec::new();
    for Job { question, answer } in jobs {
        let of_job = (question.len(), answer);
        let alike = groups.iter_mut().find(|(other, _)| match (other, &question) {
            (Question::Predict { top_k: one, .. }, Question::Predict { top_k: other, .. }) => one == other,
            (Question::Embed(_), Question::Embed(_)) => true,
            _ => false,
        });
        match alike {
            None => groups.push((question, vec![of_job])),
            Some((group, of_jobs)) => {
                match (group, question) {
                    (Question::Predict { inputs, .. }, Question::Predict { inputs: more, .. }) => inputs.extend(more),
                    (Question::Embed(texts), Question::Embed(more)) => texts.extend(more),
                    _ => unreachable!("they are alike"),
                }
                of_jobs.push(of_job);
            }
        }
    }
    for (question, of_jobs) in groups {
        figures.batch(question.len());
        let mut answers = answer(models, &question).map(Vec::into_iter);
        for (count, sender) in of_jobs {
            let answer = answers.as_mut().map(|answers| answers.take(count).collect()).map_err(|error| error.clone());
            // Its client may have gone away meanwhile.
            _ = sender.send(answer);
        }
    }
}

/// Seconds of all threads together that the explanations of a request may take; at least one second passes.
const EXPLAINING: f64 = 4.0;

/// What the explanations of a request that begins now may take.
fn bounds() -> Bounds {
    let seconds = (EXPLAINING / rayon::current_num_threads() as f64).max(1.0);
    Bounds { explanations: 16, attention: 1 << 20, until: Instant::now() + Duration::from_secs_f64(seconds) }
}

/// A panic of the backend is an answer too, and the thread goes on.
fn answer(models: &Models, question: &Question) -> Answer {
    let answered = catch_unwind(AssertUnwindSafe(|| match (question, models) {
        (Question::Predict { inputs, top_k }, Models { model, .. }) => model.answer(inputs, *top_k),
        (Question::Embed(texts), Models { model: Model::Task(predictor), .. }) => {
            Ok(predictor.embed(texts)?.into_iter().map(|vector| json!(vector)).collect())
        }
        (Question::Explain { inputs, options }, Models { explainer: Some(explainer), .. }) => {
            let options = Options { bounds: Some(bounds()), ..options.clone() };
            inputs.iter().map(|input| Ok(json!(explainer.explain(input, &options)?))).collect()
        }
        (Question::Embed(_) | Question::Explain { .. }, _) => Ok(Vec::new()),
    }));
    match answered {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Failure::Inside("the device failed".into())),
    }
}

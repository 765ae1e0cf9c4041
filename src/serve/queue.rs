//! The thread that computes, and the queue in front of it.

use super::figures::Figures;
use super::pulse::Pulse;
use crate::error::{Error, Result as Outcome};
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
pub(super) enum Unanswered {
    /// The question cannot be answered.
    Question(String),
    /// Something went wrong inside.
    Inside(String),
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        match error {
            Error::Usage(message) => Self::Question(message),
            error => Self::Inside(error.to_string()),
        }
    }
}

/// One answer an input.
pub(super) type Answer = Result<Vec<Value>, Unanswered>;

struct Queued {
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
pub(super) struct Queue {
    jobs: mpsc::UnboundedSender<Queued>,
    pulse: Arc<Pulse>,
}

impl Queue {
    /// Begins a thread that computes with `models`, at most `most` inputs together.
    pub(super) fn new(models: Models, most: usize, figures: Arc<Figures>) -> Self {
        let (jobs, mut receiver) = mpsc::unbounded_channel::<Queued>();
        let pulse = Arc::new(Pulse::default());
        let beating = pulse.clone();
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
                beating.begin();
                compute(&models, jobs, most, &figures);
                beating.end();
            }
        });
        Self { jobs, pulse }
    }

    /// Whether the thread lives and has not been at one batch for longer than `longest`; what is wrong otherwise.
    pub(super) fn health(&self, longest: Duration) -> Result<(), String> {
        if self.jobs.is_closed() {
            return Err("the thread that computes has ended; restart the server".into());
        }
        match self.pulse.busy() {
            Some(busy) if busy > longest => Err(format!("one batch has been computed for {} s", busy.as_secs())),
            _ => Ok(()),
        }
    }

    /// Asks, and waits.
    pub(super) async fn ask(&self, question: Question) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = || Unanswered::Inside("the model is gone".into());
        self.jobs.send(Queued { question, answer }).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Answers `jobs`, those that are alike together, at most `most` inputs at a time.
fn compute(models: &Models, jobs: Vec<Queued>, most: usize, figures: &Figures) {
    let mut groups: Vec<Group> = Vec::new();
    for Queued { question, answer } in jobs {
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
        let is_wanted = || of_jobs.iter().any(|(_, sender)| !sender.is_closed());
        let mut answers = answer(models, &question, most, &is_wanted).map(Vec::into_iter);
        for (count, sender) in of_jobs {
            let answer = answers.as_mut().map(|answers| answers.take(count).collect()).map_err(|error| error.clone());
            // Its client may have gone away meanwhile.
            _ = sender.send(answer);
        }
    }
}

/// Seconds of all threads together that the explanations of a request may take, and the least that they have, by the clock.
const EXPLAINING: f64 = 3.5;
const LEAST: f64 = 0.25;

/// Most explanations of one input, and most numbers of attention that they may have.
const EXPLANATIONS: usize = 16;
const ATTENTION: usize = 1 << 20;

/// A panic of the backend is an answer too, and the thread continues. Nothing more is computed when nobody waits for it, which
/// `is_wanted` knows.
fn answer(models: &Models, question: &Question, most: usize, is_wanted: &dyn Fn() -> bool) -> Answer {
    let wanted = || if is_wanted() { Ok(()) } else { Err(Error::Usage("nobody waits for the answer".into())) };
    let answered = catch_unwind(AssertUnwindSafe(|| match (question, models) {
        (Question::Predict { inputs, top_k }, Models { model, .. }) => {
            in_parts(inputs, most, &wanted, |part| model.answer(part, *top_k))
        }
        (Question::Embed(texts), Models { model: Model::Task(predictor), .. }) => {
            in_parts(texts, most, &wanted, |part| {
                Ok(predictor.embed(part)?.into_iter().map(|vector| json!(vector)).collect())
            })
        }
        (Question::Explain { inputs, options }, Models { explainer: Some(explainer), .. }) => {
            let seconds = (EXPLAINING / rayon::current_num_threads() as f64).max(LEAST);
            let until = Instant::now() + Duration::from_secs_f64(seconds);
            let go_on = |time| match Instant::now() + time > until {
                true => {
                    Err(Error::Usage("the explanation takes too long; expected a shorter text, or fewer inputs".into()))
                }
                false => wanted(),
            };
            let bounds = Bounds { explanations: EXPLANATIONS, attention: ATTENTION, go_on: &go_on };
            inputs.iter().map(|input| Ok(json!(explainer.explain_within(input, options, bounds)?))).collect()
        }
        (Question::Embed(_) | Question::Explain { .. }, _) => Ok(Vec::new()),
    }));
    match answered {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Unanswered::Inside("the device failed".into())),
    }
}

/// The answers to `asked`, at most `most` at a time.
fn in_parts<T>(
    asked: &[T],
    most: usize,
    wanted: &dyn Fn() -> Outcome<()>,
    mut answer: impl FnMut(&[T]) -> Outcome<Vec<Value>>,
) -> Outcome<Vec<Value>> {
    let mut answers = Vec::with_capacity(asked.len());
    for part in asked.chunks(most) {
        wanted()?;
        answers.extend(answer(part)?);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_is_not_computed_further() {
        let computed = std::cell::Cell::new(0);
        let wanted = || if computed.get() < 4 { Ok(()) } else { Err(Error::Usage("nobody".into())) };
        let answer = |part: &[u8]| {
            computed.set(computed.get() + part.len());
            Ok(part.iter().map(|&number| json!(number)).collect())
        };
        let all = in_parts(&[1, 2, 3, 4], 2, &wanted, answer).unwrap();
        assert_eq!(all, [json!(1), json!(2), json!(3), json!(4)]);
        computed.set(0);
        assert!(in_parts(&[0; 100], 2, &wanted, answer).is_err());
        assert_eq!(computed.get(), 4);
    }

    /// A thread that has ended is no longer healthy, nor one that does not come back.
    #[test]
    fn health_is_that_of_the_thread() {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let queue = Queue { jobs, pulse: Arc::default() };
        let longest = Duration::from_secs(60);
        assert_eq!(queue.health(longest), Ok(()));
        queue.pulse.begin();
        assert_eq!(queue.health(longest), Ok(()));
        thread::sleep(Duration::from_millis(3));
        assert!(queue.health(Duration::from_millis(1)).unwrap_err().contains("one batch"));
        queue.pulse.end();
        assert_eq!(queue.health(Duration::ZERO), Ok(()));
        drop(receiver);
        assert!(queue.health(longest).unwrap_err().contains("has ended"));
    }
}

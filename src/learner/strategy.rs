//! The training loop: windows of optimizer steps in place of Burn's epochs, with validation and checkpoints at their
//! ends.

use super::checkpoint::Checkpoints;
use super::dashboard::{QUIT, State, Watch};
use super::gradients::{Squares, poison};
use super::job::{Evaluate, Faults};
use super::length::Length;
use super::observation::{Observation, read_all};
use super::parallel::{Shares, Threads};
use super::samples::SampleLog;
use super::startup::Startup;
use super::statistics::Tally;
use super::step::apply;
use super::tensorboard::Board;
use super::trainee::{TallyOf, Trainee};
use super::validations::{EarlyStopping, Validations};
use crate::config::TrainingConfig;
use crate::data::Cursor;
use crate::files;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent, LearningCheckpointer,
    SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem,
    ValidLoader,
};
use electra_runs::layout::BAD_STEP;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Steps between two interruptions of training, counted from 0, and what happens at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    steps: Range<usize>,
    validate: bool,
    checkpoint: bool,
}

impl Window {
    /// The next window of a run after `start` steps: to a validation, a checkpoint or the last step. None follows that.
    fn after(config: &TrainingConfig, start: usize) -> Option<Self> {
        let (steps, validate_every, checkpoint_every) = (config.steps, config.validate_every, config.checkpoint_every);
        let next = |every: usize| (start / every + 1).saturating_mul(every);
        let end = next(validate_every).min(next(checkpoint_every)).min(steps);
        let last = end == steps;
        (start < steps).then(|| Self {
            steps: start..end,
            validate: last || end.is_multiple_of(validate_every),
            checkpoint: last || end.is_multiple_of(checkpoint_every),
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending {
    /// Steps done.
    pub steps: usize,
    /// Who asked the run to stop.
    pub interrupted: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Burn's strategy that trains by windows, on one device or several.
pub(super) struct Windows<M: Trainee> {
    pub shares: Shares<M>,
    pub training: TrainingConfig,
    pub length: Length,
    pub cursor: Cursor,
    pub max_grad_norm: f64,
    /// Steps whose results are read together: on the CPU each, elsewhere those of a log record.
    pub read_every: usize,
    pub faults: Faults,
    /// The run directory.
    pub output: PathBuf,
    pub early_stopping: Option<EarlyStopping>,
    pub validations: Validations,
    /// Which sequences step `step`, counted from 0, has.
    pub sequences: Arc<dyn Fn(usize) -> Vec<usize> + Send + Sync>,
    /// Steps that were done before.
    pub start: usize,
    pub checkpoints: Checkpoints<TallyOf<M>>,
    pub board: Option<Arc<Board>>,
    /// What is said until the first results are there.
    pub startup: Mutex<Option<Startup>>,
    /// Who is told what happens.
    pub watch: Watch,
    /// Samples of validations, where there are some.
    pub samples: Option<SampleLog<M>>,
    /// What else is judged at every validation.
    pub evaluate: Option<Evaluate<M>>,
    /// Set to the number of a signal by its handler.
    pub signal: Arc<AtomicUsize>,
    pub ending: Arc<Mutex<Ending>>,
}

type Events<M> = SupervisedTrainingEventProcessor<M>;

impl<M: Trainee> SupervisedLearningStrategy<M> for Windows<M> {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        mut learner: Learner<M>,
        _train: TrainLoader<M>,
        valid: ValidLoader<M>,
        _first: usize,
    ) -> (M, Events<M>) {
        let TrainingComponents { mut event_processor, mut checkpointer, interrupter, event_store, .. } = components;
        learner.fork(self.shares.main());
        let threads = self.shares.threads();

        let mut done = self.start;
        let mut bad_steps = 0;
        let mut failure = None;
        self.cursor.set(done..done);
        let mut gradients = Vec::new();
        if done == 0 {
            failure = self
                .validate(0, &learner, &valid, &mut event_processor, &interrupter)
                .and_then(|()| self.write_norms(0, &learner, &mut gradients))
                .err();
        }
        let mut number = 0;
        let mut saved = self.length.elapsed();
        while let Some(window) = Window::after(&self.training, done) {
            if interrupter.should_stop() || failure.is_some() {
                break;
            }
            number += 1;
            self.cursor.set(window.steps.clone());
            let mut state = Progressing {
                events: &mut event_processor,
                interrupter: &interrupter,
                bad_steps: &mut bad_steps,
                gradients: &mut gradients,
                until: self.length.longest_window().map(|longest| saved + longest),
            };
            match self.train_window(number, &mut learner, &threads, &mut state) {
                Ok(steps) => done = steps,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            let stopped = interrupter.should_stop();
            let is_whole = done == window.steps.end;
            // The clock may end a window before its last step.
            let by_clock = !stopped && !is_whole;
            self.cursor.set(window.steps.start..done);
            // A validation that is due belongs to the step, so that a run that is resumed here need not make up for it.
            let due = by_clock || self.length.is_over(done) || (window.validate && is_whole);
            if due && interrupter.error().is_none() {
                failure = self
                    .validate(number, &learner, &valid, &mut event_processor, &interrupter)
                    .and_then(|()| self.write_norms(done, &learner, &mut gradients))
                    .err();
            }
            interrupter.fail_on_error(event_processor.process_train(LearnerEvent::EndEpoch(number)));
            let enough = due && failure.is_none() && self.is_enough(&mut event_processor, &interrupter);
            // The time may have ended during the validation.
            let over = due && self.length.is_over(done);
            if (window.checkpoint || stopped || by_clock || enough || over)
                && interrupter.error().is_none()
                && failure.is_none()
                && let Some(checkpointer) = &mut checkpointer
            {
                interrupter.fail_on_error(event_processor.flush());
                self.watch.tell(State::save);
                self.checkpoints.begin(done, self.length.elapsed());
                LearningCheckpointer::checkpoint(checkpointer, &learner, done, &event_store);
                self.checkpoints.wait();
                saved = self.length.elapsed();
                if interrupter.error().is_none() {
                    self.watch.tell(|state| state.saved(done));
                }
            }
            if enough || over {
                break;
            }
        }
        interrupter.fail_on_error(event_processor.flush());
        // Waits for the checkpoint that is being written, whose failure counts.
        drop(checkpointer);
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Ending {
            steps: done,
            interrupted: interrupter.interruption().map(|i| i.reason.unwrap_or_else(|| "on request".into())),
            error: failure.or_else(|| interrupter.error().map(|error| error.to_string())),
        };
        (learner.model(), event_processor)
    }
}

/// What the windows of a run share.
struct Progressing<'a, M: Trainee> {
    events: &'a mut Events<M>,
    interrupter: &'a Interrupter,
    bad_steps: &'a mut usize,
    /// The squared norms of the gradients of the last step, on the device.
    gradients: &'a mut Squares,
    /// The time of the run at which the window ends in any case.
    until: Option<Duration>,
}

impl<M: Trainee> Windows<M> {
    /// Trains for the steps of the cursor; returns the steps of the whole run that are done then, or why it cannot go on.
    fn train_window(
        &self,
        number: usize,
        learner: &mut Learner<M>,
        threads: &Threads<M>,
        state: &mut Progressing<M>,
    ) -> Result<usize, String> {
        let interrupter = state.interrupter;
        let total_items = self.shares.steps();
        let start = LearnerEvent::StartSplit { epoch_number: number, total_items };
        interrupter.fail_on_error(state.events.process_train(start));
        let mut done = self.cursor.get().start;
        let mut waiting = Vec::new();
        let mut steps = self.shares.pass(threads);
        self.length.begin();
        while let Some(output) = steps.next(learner) {
            let mut output = output?;
            if self.faults.poisoned_steps.contains(&(done + 1)) {
                poison(&learner.model(), &mut output.grads);
            }
            let observation =
                apply(learner, output, self.max_grad_norm).map_err(|error| format!("the device: {error}"))?;
            done += 1;
            assert!(self.faults.panic_at != Some(done), "a panic after step {done}, on purpose");
            let rate = learner.lr_current();
            waiting.push((observation, TrainingItem::new((), steps.progress(), Some(done), Some(rate))));
            if done.is_multiple_of(self.read_every) {
                self.observe(&mut waiting, state)?;
            }
            if let Some(name) = signal_name(self.signal.load(Ordering::Relaxed)) {
                interrupter.stop(Some(name));
            }
            let is_late = state.until.is_some_and(|until| self.length.elapsed() >= until);
            if interrupter.should_stop() || is_late || self.length.is_over(done) {
                break;
            }
        }
        self.observe(&mut waiting, state)?;
        interrupter.fail_on_error(state.events.process_train(LearnerEvent::EndSplit(number)));
        Ok(done)
    }

    /// Reads what `waiting` steps have left, in one transfer, and hands it to the metrics; an error after too many bad
    /// steps in a row.
    fn observe(
        &self,
        waiting: &mut Vec<(Observation<M::Statistics>, TrainingItem<()>)>,
        state: &mut Progressing<M>,
    ) -> Result<(), String> {
        let (mut observations, items): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        read_all(&mut observations).map_err(|error| format!("the device: {error}"))?;
        self.startup.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (mut observation, item) in observations.into_iter().zip(items) {
            // Here and not with the metrics: a device's tensors stay with one thread.
            *state.gradients = observation.take_squares();
            let seen = observation.seen().clone();
            self.watch.tell(|state| state.step(seen.step, seen.tally.tokens()));
            let item = TrainingItem::new(observation, item.progress, item.iteration, item.lr);
            state.interrupter.fail_on_error(state.events.process_train(LearnerEvent::ProcessedItem(item)));
            *state.bad_steps = if seen.bad.is_some() { *state.bad_steps + 1 } else { 0 };
            if let Some(norms) = seen.bad.as_ref().filter(|_| *state.bad_steps >= self.training.max_bad_steps) {
                return Err(self.describe(seen.step, *state.bad_steps, norms));
            }
        }
        Ok(())
    }

    /// Tells TensorBoard, if it is told anything, the norms of the weights and of the last step's gradients.
    fn write_norms(&self, step: usize, learner: &Learner<M>, gradients: &mut Squares) -> Result<(), String> {
        let Some(board) = &self.board else { return Ok(()) };
        let written = board.write_norms(step, &learner.model().valid(), std::mem::take(gradients));
        written.map_err(|error| format!("the device: {error}"))
    }

    /// Writes down what is known of a bad step, the last of `count`, and says it in a sentence.
    fn describe(&self, step: usize, count: usize, norms: &BTreeMap<String, f64>) -> String {
        let number = |norm: &f64| if norm.is_finite() { serde_json::json!(norm) } else { norm.to_string().into() };
        let norms: BTreeMap<_, _> = norms.iter().map(|(block, norm)| (block, number(norm))).collect();
        let sequences = (self.sequences)(step - 1);
        let report = serde_json::json!({
            "step": step, "bad_steps": count, "sequences": sequences, "gradient_norms": norms,
        });
        let path = self.output.join(BAD_STEP);
        let written = match files::write_file(&path, format!("{report:#}\n").as_bytes()) {
            Ok(()) => format!("{} has the details", path.display()),
            Err(error) => format!("more could not be written down: {error}"),
        };
        format!(
            "loss or gradients were not finite in {count} steps in a row, the last one step {step}; {written}. A run keeps \
             its learning rate: a new one with a lower rate begins afresh, or with --init-discriminator and --init-generator from \
             an earlier checkpoint (`electra export`); or look at the sequences that the file names"
        )
    }

    /// Whether the validations have stopped getting better.
    fn is_enough(&self, events: &mut Events<M>, interrupter: &Interrupter) -> bool {
        let Some(stopping) = &self.early_stopping else { return false };
        interrupter.fail_on_error(events.flush());
        self.validations.are_enough(stopping)
    }

    fn validate(
        &self,
        number: usize,
        learner: &Learner<M>,
        valid: &ValidLoader<M>,
        events: &mut Events<M>,
        interrupter: &Interrupter,
    ) -> Result<(), String> {
        let total_items = valid.num_items();
        let start = LearnerEvent::StartSplit { epoch_number: number, total_items };
        interrupter.fail_on_error(events.process_valid(start));
        let model = learner.model().valid();
        let mut batches = valid.iter();
        let mut waiting = Vec::new();
        while let Some(input) = batches.next() {
            match input {
                Ok(input) => waiting.push((InferenceStep::step(&model, input), batches.progress())),
                Err(error) => {
                    interrupter.fail(error);
                    break;
                }
            }
        }
        let (mut observations, progress): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        // Read here and not by the thread of the metrics: a device's tensors stay with one thread.
        read_all(&mut observations).map_err(|error| format!("the device: {error}"))?;
        for (observation, progress) in observations.into_iter().zip(progress) {
            if interrupter.error().is_some() {
                break;
            }
            let item = TrainingItem::new(observation, progress, None, None);
            interrupter.fail_on_error(events.process_valid(LearnerEvent::ProcessedItem(item)));
        }
        if let Some(evaluate) = self.evaluate.as_ref().filter(|_| interrupter.error().is_none()) {
            evaluate(&model).map_err(|error| error.to_string())?;
        }
        if let Some(samples) = self.samples.as_ref().filter(|_| interrupter.error().is_none()) {
            let sample = samples.add(&model, self.cursor.get().end).map_err(|error| error.to_string())?;
            self.watch.sample(sample);
        }
        interrupter.fail_on_error(events.process_valid(LearnerEvent::EndSplit(number)));
        Ok(())
    }
}

/// What a run that was stopped by a signal calls it.
fn signal_name(number: usize) -> Option<&'static str> {
    match number {
        0 => None,
        QUIT => Some("on the dashboard"),
        1 => Some("SIGHUP"),
        2 => Some("SIGINT"),
        15 => Some("SIGTERM"),
        _ => Some("a signal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_where_something_happens() {
        let config = TrainingConfig {
            steps: 25,
            time_budget: None,
            accumulation: 1,
            log_every: 1,
            validate_every: 10,
            checkpoint_every: 15,
            keep_checkpoints: 1,
            keep_every: 0,
            keep_best: None,
            max_bad_steps: 1,
            gradient_checkpointing: false,
            precision: Default::default(),
            deterministic: false,
            loss_scale: None,
        };
        let after = |start: usize| Window::after(&config, start).map(|w| (w.steps.end, w.validate, w.checkpoint));
        let ends = [0, 10, 12, 15, 20, 25].map(after);
        let expected = [(10, true, false), (15, false, true), (15, false, true), (20, true, false), (25, true, true)];
        assert_eq!(ends[..5], expected.map(Some));
        assert_eq!(ends[5], None);
    }
}

//! The training loop: windows of optimizer steps in place of Burn's epochs, with validation and checkpoints at their
//! ends.

use super::bad_step::describe;
use super::checkpoint::Checkpoints;
use super::failure::Failure;
use super::gradients::{Squares, norms, poison};
use super::job::{Course, Evaluate};
use super::metrics::{step_numbers, validation_numbers};
use super::observation::{Observation, read_all};
use super::observer::{Phase, StepEvent, ValidationEvent};
use super::options::RunOptions;
use super::parallel::{Replicas, Threads};
use super::samples::SampleLog;
use super::statistics::{StepResult, Tally};
use super::step::apply;
use super::trainable::{TallyOf, Trainable};
use super::validations::Validations;
use crate::config::TrainingConfig;
use crate::error::{Error, Result};
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent, LearningCheckpointer,
    SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, TrainingItem,
    ValidLoader,
};
use electra_runs::Sample;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Steps done.
    pub steps: usize,
    /// Who asked the run to stop.
    pub interrupted: Option<String>,
    /// What went wrong.
    pub error: Option<Error>,
}

/// Burn's strategy that trains by windows, on one device or several.
pub(super) struct Windows<M: Trainable> {
    pub replicas: Replicas<M>,
    pub course: Course,
    /// With the observers that the run itself adds.
    pub options: RunOptions,
    /// Steps whose results are read together: on the CPU each, elsewhere those of a log record.
    pub read_every: usize,
    /// Steps that were done before.
    pub start: usize,
    pub checkpoints: Checkpoints<TallyOf<M>>,
    pub validations: Validations,
    /// Samples of validations, where there are some.
    pub samples: Option<SampleLog<M>>,
    pub evaluate: Option<Evaluate<M>>,
    /// Where an observer fails.
    pub failure: Failure,
    pub ending: Arc<Mutex<Ending>>,
}

type Events<M> = SupervisedTrainingEventProcessor<M>;

impl<M: Trainable> SupervisedLearningStrategy<M> for Windows<M> {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        mut learner: Learner<M>,
        _train: TrainLoader<M>,
        valid: ValidLoader<M>,
        _first: usize,
    ) -> (M, Events<M>) {
        let TrainingComponents { event_processor, mut checkpointer, interrupter, event_store, .. } = components;
        learner.fork(self.replicas.main());
        let threads = self.replicas.threads();
        let length = &self.course.length;

        let mut state = Progressing {
            events: event_processor,
            interrupter,
            done: self.start,
            number: 0,
            bad_steps: 0,
            gradients: Vec::new(),
            saved: length.elapsed(),
        };
        let mut failure = None;
        if state.done == 0 {
            self.course.cursor.set(0..0);
            failure = self.validate(&learner, &valid, &mut state).err();
        }
        while let Some(window) = Window::after(&self.course.training, state.done) {
            if state.interrupter.should_stop() || failure.is_some() {
                break;
            }
            state.number += 1;
            self.course.cursor.set(window.steps.clone());
            if let Err(error) = self.train_window(&mut learner, &threads, &mut state) {
                failure = Some(error);
                break;
            }
            let (done, stopped) = (state.done, state.interrupter.should_stop());
            let is_whole = done == window.steps.end;
            // The clock may end a window before its last step.
            let by_clock = !stopped && !is_whole;
            self.course.cursor.set(window.steps.start..done);
            // A validation that is due belongs to the step, so that a run that is resumed here need not make up for it.
            let due = by_clock || length.is_over(done) || (window.validate && is_whole);
            if due && state.interrupter.error().is_none() {
                failure = self.validate(&learner, &valid, &mut state).err();
            }
            state.end_epoch();
            let stops = state.interrupter.should_stop();
            let enough = due && failure.is_none() && self.is_enough(&mut state);
            // The time may have ended during the validation.
            let over = due && length.is_over(done);
            if (window.checkpoint || stops || by_clock || enough || over)
                && state.interrupter.error().is_none()
                && failure.is_none()
                && let Some(checkpointer) = &mut checkpointer
            {
                state.flush();
                self.save(done, &mut state, || {
                    LearningCheckpointer::checkpoint(checkpointer, &learner, done, &event_store)
                });
            }
            if enough || over {
                break;
            }
        }
        state.flush();
        // Waits for the checkpoint that is being written, whose failure counts.
        drop(checkpointer);
        let Progressing { events, interrupter, done, .. } = state;
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Ending {
            steps: done,
            interrupted: interrupter.interruption().map(|i| i.reason.unwrap_or_else(|| "on request".into())),
            error: failure.or_else(|| interrupter.error().map(|error| Error::Training(error.to_string()))),
        };
        (learner.model(), events)
    }
}

/// What a run has come to, and Burn's events that report it.
struct Progressing<M: Trainable> {
    events: Events<M>,
    interrupter: Interrupter,
    /// Steps done.
    done: usize,
    /// The window.
    number: usize,
    /// Bad steps in a row.
    bad_steps: usize,
    /// The squared norms of the gradients of the last step, on the device.
    gradients: Squares,
    /// The time of the run at its last checkpoint.
    saved: Duration,
}

impl<M: Trainable> Progressing<M> {
    fn train(&mut self, event: LearnerEvent<Observation<M::Statistics>>) {
        self.interrupter.fail_on_error(self.events.process_train(event));
    }

    fn valid(&mut self, event: LearnerEvent<Observation<M::Statistics>>) {
        self.interrupter.fail_on_error(self.events.process_valid(event));
    }

    /// Ends the window; what becomes of its records is known then.
    fn end_epoch(&mut self) {
        self.train(LearnerEvent::EndEpoch(self.number));
        self.flush();
    }

    fn flush(&mut self) {
        self.interrupter.fail_on_error(self.events.flush());
    }
}

/// A step whose results have not been read: what it leaves, how far the window was then, and its learning rate.
type Waiting<M> = (Observation<<M as Trainable>::Statistics>, TrainingItem<()>);

impl<M: Trainable> Windows<M> {
    /// Trains for the steps of the cursor, or until the run must stop; an error says why it cannot continue.
    fn train_window(&self, learner: &mut Learner<M>, threads: &Threads<M>, state: &mut Progressing<M>) -> Result<()> {
        let (length, faults) = (&self.course.length, &self.options.faults);
        self.report(Phase::Training);
        state.train(LearnerEvent::StartSplit { epoch_number: state.number, total_items: self.replicas.steps() });
        let mut waiting = Vec::new();
        let mut steps = self.replicas.pass(threads);
        length.begin();
        let until = length.longest_window().map(|longest| state.saved + longest);
        while let Some(output) = steps.next(learner) {
            let mut output = output.map_err(Error::Training)?;
            if faults.poisoned_steps.contains(&(state.done + 1)) {
                poison(&learner.model(), &mut output.grads);
            }
            let observation = apply(learner, output, self.course.max_grad_norm).map_err(Error::backend)?;
            state.done += 1;
            let done = state.done;
            assert!(faults.panic_at != Some(done), "a panic after step {done}, on purpose");
            let rate = learner.lr_current();
            waiting.push((observation, TrainingItem::new((), steps.progress(), Some(done), Some(rate))));
            if done.is_multiple_of(self.read_every) {
                self.observe(&mut waiting, state)?;
            }
            if let Some(name) = signal_name(self.options.signal.load(Ordering::Relaxed)) {
                state.interrupter.stop(Some(name));
            }
            let is_late = until.is_some_and(|until| length.elapsed() >= until);
            if state.interrupter.should_stop() || is_late || length.is_over(done) {
                break;
            }
        }
        self.observe(&mut waiting, state)?;
        state.train(LearnerEvent::EndSplit(state.number));
        Ok(())
    }

    /// Reads what `waiting` steps have left, in one transfer, and hands it to metrics and observers; an error after too many
    /// bad steps in a row.
    fn observe(&self, waiting: &mut Vec<Waiting<M>>, state: &mut Progressing<M>) -> Result<()> {
        let (mut observations, items): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        read_all(&mut observations).map_err(Error::backend)?;
        for (mut observation, item) in observations.into_iter().zip(items) {
            // Here and not with the metrics: a device's tensors stay with one thread.
            state.gradients = observation.take_squares();
            let seen = observation.seen().clone();
            let rate = item.lr.as_ref().map_or(0.0, |rate| rate.base());
            let numbers = || step_numbers(&seen, rate);
            let event = StepEvent { step: seen.step, tokens: seen.tally.tokens(), numbers: &numbers };
            self.options.observers.each(|observer| observer.on_step(&event));
            let item = TrainingItem::new(observation, item.progress, item.iteration, item.lr);
            state.train(LearnerEvent::ProcessedItem(item));
            state.bad_steps = if seen.bad.is_some() { state.bad_steps + 1 } else { 0 };
            let too_many = state.bad_steps >= self.course.training.max_bad_steps;
            if let Some(norms) = seen.bad.as_ref().filter(|_| too_many) {
                let sequences = (self.course.sequences)(seen.step - 1);
                let message = describe(&self.options.output, (seen.step, state.bad_steps), &sequences, norms);
                return Err(Error::Training(message));
            }
        }
        Ok(())
    }

    /// Tells observers what the run turns to.
    fn report(&self, phase: Phase) {
        self.options.observers.each(|observer| observer.on_phase(phase));
    }

    /// Has `write` write the checkpoint of step `done`, and waits until it is whole.
    fn save(&self, done: usize, state: &mut Progressing<M>, write: impl FnOnce()) {
        self.report(Phase::Saving);
        self.checkpoints.begin(done, self.course.length.elapsed());
        write();
        self.checkpoints.wait();
        state.saved = self.course.length.elapsed();
        if state.interrupter.error().is_none() {
            self.options.observers.each(|observer| observer.on_checkpoint(done));
        }
    }

    /// Whether the validations have stopped getting better.
    fn is_enough(&self, state: &mut Progressing<M>) -> bool {
        let Some(stopping) = &self.course.early_stopping else { return false };
        state.flush();
        self.validations.are_enough(stopping)
    }

    fn validate(&self, learner: &Learner<M>, valid: &ValidLoader<M>, state: &mut Progressing<M>) -> Result<()> {
        self.report(Phase::Validating);
        state.valid(LearnerEvent::StartSplit { epoch_number: state.number, total_items: valid.num_items() });
        let model = learner.model().valid();
        let mut batches = valid.iter();
        let mut waiting = Vec::new();
        while let Some(input) = batches.next() {
            match input {
                Ok(input) => waiting.push((InferenceStep::step(&model, input), batches.progress())),
                Err(error) => {
                    state.interrupter.fail(error);
                    break;
                }
            }
        }
        let (mut observations, progress): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        // Read here and not by the thread of the metrics: a device's tensors stay with one thread.
        read_all(&mut observations).map_err(Error::backend)?;
        let mut pooled = TallyOf::<M>::default();
        for (observation, progress) in observations.into_iter().zip(progress) {
            if state.interrupter.error().is_some() {
                break;
            }
            pooled.merge(&observation.seen().tally);
            state.valid(LearnerEvent::ProcessedItem(TrainingItem::new(observation, progress, None, None)));
        }
        let sample = match state.interrupter.error() {
            None => self.judge(&model, state.done)?,
            Some(_) => None,
        };
        state.valid(LearnerEvent::EndSplit(state.number));
        let gradients = std::mem::take(&mut state.gradients);
        let norms = match self.options.observers.want_norms() {
            true => norms(&model, gradients).map_err(Error::backend)?,
            false => Vec::new(),
        };
        let now = Instant::now();
        let seen = StepResult { step: state.done, tally: pooled, grad_norm: None, bad: None, time: (now, now) };
        let numbers = validation_numbers(&seen);
        let event = ValidationEvent { step: state.done, numbers: &numbers, sample: sample.as_ref(), norms: &norms };
        if let Err(error) = self.options.observers.try_each(|observer| observer.on_validation(&event)) {
            self.failure.stop("a validation cannot be reported", error);
        }
        Ok(())
    }

    /// What else is made of `model` after step `done`.
    fn judge(&self, model: &M, done: usize) -> Result<Option<Sample>> {
        if let Some(evaluate) = &self.evaluate {
            evaluate(model)?;
        }
        self.samples.as_ref().map(|samples| samples.add(model, done)).transpose()
    }
}

/// The value of [`RunOptions::signal`] for a run that is stopped on its dashboard, beside the numbers of signals.
pub const STOP: usize = usize::MAX;

/// What a run that was stopped by a signal calls it.
fn signal_name(number: usize) -> Option<&'static str> {
    match number {
        0 => None,
        STOP => Some("on the dashboard"),
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

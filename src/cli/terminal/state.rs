//! What the dashboard knows of a run.

use super::series::Series;
use electra_burn::learner::{self, RunStart, Sample, StepEvent, ValidationEvent};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// Summary lines that are kept.
const LINES: usize = 64;

/// What the run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the first results, with nothing to compile.
    Starting,
    /// A GPU's kernels are compiled and tuned.
    Compiling,
    Training,
    Validating,
    /// A checkpoint is written.
    Saving,
}

/// A number's curves.
#[derive(Debug, Clone, Default)]
pub struct Plot {
    pub name: String,
    pub train: Series,
    pub valid: Series,
}

/// What is shown. A field for each part of the screen.
#[derive(Debug, Clone)]
pub struct DashboardState {
    pub start: RunStart,
    pub phase: Phase,
    /// Steps done.
    pub done: usize,
    /// Real tokens of all steps.
    pub tokens: usize,
    begun: Instant,
    /// When the first results were there, and the steps done then.
    first: Option<(Instant, usize)>,
    pub plots: Vec<Plot>,
    /// The plot that is shown.
    pub selected: usize,
    /// Summary lines, newest last.
    pub lines: VecDeque<String>,
    /// The last warning, and how many there were.
    pub warning: Option<String>,
    pub warnings: usize,
    /// The step of the last checkpoint, and when it was written.
    pub checkpoint: Option<(usize, SystemTime)>,
    pub sample: Option<Sample>,
    pub help: bool,
}

impl DashboardState {
    /// Of a run that begins now.
    pub fn new(start: RunStart) -> Self {
        Self {
            phase: if start.compiles { Phase::Compiling } else { Phase::Starting },
            done: start.step,
            tokens: start.tokens,
            begun: Instant::now(),
            first: None,
            plots: plots(&start.numbers),
            selected: 0,
            lines: VecDeque::new(),
            warning: None,
            warnings: 0,
            checkpoint: start.checkpoint.map(|time| (start.step, time)),
            sample: None,
            help: false,
            start,
        }
    }

    /// Takes a value of the number `name` at `step`, of training or of a validation.
    fn add_value(&mut self, name: &str, step: usize, value: f64, valid: bool) {
        if let Some(plot) = self.plots.iter_mut().find(|plot| plot.name == name) {
            let series = if valid { &mut plot.valid } else { &mut plot.train };
            series.add(step as f64, value);
        }
    }

    /// Takes a validation.
    pub fn validated(&mut self, validation: &ValidationEvent) {
        for (name, value) in validation.numbers {
            self.add_value(name, validation.step, *value, true);
        }
        self.sample = validation.sample.cloned().or(self.sample.take());
    }

    /// Takes what the summary says: a line, and warnings below it.
    pub fn add_summary(&mut self, text: &str) {
        for line in text.lines() {
            match line.strip_prefix("warning: ") {
                Some(warning) => self.warn(warning),
                None => self.add_line(line.trim_end()),
            }
        }
    }

    fn add_line(&mut self, line: &str) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }

    /// Takes a warning.
    pub fn warn(&mut self, warning: &str) {
        self.warnings += 1;
        self.warning = Some(format!("step {}: {warning}", self.done));
    }

    /// Another step is done.
    pub fn step(&mut self, step: &StepEvent) {
        self.done = step.step;
        self.tokens += step.tokens;
        self.first.get_or_insert_with(|| (Instant::now(), step.step));
        for (name, value) in (step.numbers)() {
            self.add_value(name, step.step, value, false);
        }
        if matches!(self.phase, Phase::Starting | Phase::Compiling) {
            self.phase = Phase::Training;
        }
    }

    /// The run turns to something else.
    pub fn turn_to(&mut self, phase: learner::Phase) {
        self.phase = match (self.phase, phase) {
            (Phase::Starting | Phase::Compiling, _) if self.start.compiles && self.first.is_none() => self.phase,
            (_, learner::Phase::Validating) => Phase::Validating,
            (_, learner::Phase::Training) => Phase::Training,
            (_, learner::Phase::Saving) => Phase::Saving,
        };
    }

    /// Time since this process began with the run.
    pub fn passed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Time to the last step at the mean speed so far.
    pub fn left(&self) -> Option<Duration> {
        let (since, step) = self.first?;
        let steps = self.done.checked_sub(step).filter(|steps| *steps > 0)?;
        Some(self.start.length.left(self.done, since.elapsed().as_secs_f64() / steps as f64))
    }

    /// The checkpoint of `step` is whole.
    pub fn saved(&mut self, step: usize) {
        self.phase = Phase::Training;
        self.checkpoint = Some((step, SystemTime::now()));
    }

    /// Shows the plot `by` places further.
    pub fn turn(&mut self, by: isize) {
        let count = self.plots.len() as isize;
        if count > 0 {
            self.selected = (self.selected as isize + by).rem_euclid(count) as usize;
        }
    }
}

/// Room for the numbers. Losses come first, everything else in the order in which it is named.
fn plots(numbers: &[&str]) -> Vec<Plot> {
    let (losses, others): (Vec<_>, Vec<_>) = numbers.iter().partition(|name| name.to_lowercase().contains("loss"));
    let plot = |name: &&str| Plot { name: (*name).to_owned(), ..Plot::default() };
    losses.into_iter().chain(others).map(plot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use electra_burn::learner::Length;

    fn state(numbers: &[&'static str]) -> DashboardState {
        DashboardState::new(RunStart {
            run: "runs/a".into(),
            devices: vec![],
            step: 10,
            tokens: 320,
            length: Length::of_steps(100),
            compiles: false,
            checkpoint: None,
            numbers: numbers.to_vec(),
        })
    }

    fn step(step: usize, loss: f64) -> StepEvent<'static> {
        StepEvent { step, tokens: 40, numbers: Box::leak(Box::new(move || vec![("Loss", loss)])) }
    }

    #[test]
    fn losses_come_first() {
        let mut state = state(&["Disc AUC", "Disc loss", "MLM loss", "Rate"]);
        let names: Vec<&str> = state.plots.iter().map(|plot| plot.name.as_str()).collect();
        assert_eq!(names, ["Disc loss", "MLM loss", "Disc AUC", "Rate"]);
        state.turn(-1);
        assert_eq!(state.selected, 3);
        state.turn(1);
        assert_eq!(state.selected, 0);
    }

    #[test]
    fn values_stand_at_their_step() {
        let mut state = state(&["Loss"]);
        state.step(&step(11, 3.0));
        state.step(&step(12, 2.0));
        let numbers = [("Loss", 2.5)];
        state.validated(&ValidationEvent { step: 12, numbers: &numbers, sample: None, norms: &[] });
        assert_eq!(state.plots[0].train.points(), [(11.0, 3.0), (12.0, 2.0)]);
        assert_eq!(state.plots[0].valid.points(), [(12.0, 2.5)]);
    }

    #[test]
    fn warnings_stay_when_lines_go() {
        let mut state = state(&[]);
        state.add_summary("train 20/100 | loss 3\nwarning: 2 steps were skipped");
        (0..200).for_each(|step| state.add_summary(&format!("train {step}/100")));
        assert_eq!((state.lines.len(), state.warnings), (LINES, 1));
        assert_eq!(state.warning.as_deref(), Some("step 10: 2 steps were skipped"));
    }

    #[test]
    fn tokens_of_earlier_steps_count() {
        let mut state = state(&[]);
        state.step(&step(11, 3.0));
        state.step(&step(12, 3.0));
        assert_eq!(state.tokens, 400);
    }
}

//! What the dashboard knows of a run.

use super::super::length::Length;
use super::series::Series;
use electra_runs::Sample;
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// Summary lines that are kept.
const LINES: usize = 64;

/// What is trained, or held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Steps of training.
    Train,
    /// A validation.
    Valid,
}

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

/// What is known before the first step.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The run directory.
    pub run: String,
    /// Name and description of each device, with its memory where that is known.
    pub devices: Vec<String>,
    /// Steps done before.
    pub start: usize,
    /// Real tokens of these steps.
    pub tokens: usize,
    /// How long the run is.
    pub length: Length,
    /// Whether kernels must be compiled first.
    pub compiles: bool,
    /// When the checkpoint that the run resumes from was written.
    pub checkpoint: Option<SystemTime>,
}

/// What is shown.
#[derive(Debug, Clone)]
pub struct State {
    pub opening: Opening,
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
    /// Steps whose numbers have come, for the place of the next ones.
    counted: usize,
}

impl State {
    /// Of a run that begins now.
    pub fn new(opening: Opening) -> Self {
        let (start, checkpoint) = (opening.start, opening.checkpoint);
        Self {
            phase: if opening.compiles { Phase::Compiling } else { Phase::Starting },
            done: start,
            tokens: opening.tokens,
            begun: Instant::now(),
            first: None,
            plots: Vec::new(),
            selected: 0,
            lines: VecDeque::new(),
            warning: None,
            warnings: 0,
            checkpoint: checkpoint.map(|time| (start, time)),
            sample: None,
            help: false,
            counted: start,
            opening,
        }
    }

    /// Makes room for the number `name`. Losses come first, everything else in the order in which it is told.
    pub fn add_plot(&mut self, name: &str) {
        let is_loss = |name: &str| name.to_lowercase().contains("loss");
        let place = match is_loss(name) {
            true => self.plots.iter().take_while(|plot| is_loss(&plot.name)).count(),
            false => self.plots.len(),
        };
        self.plots.insert(place, Plot { name: name.to_owned(), ..Plot::default() });
    }

    /// Takes a value of the number `name`: of the step that is being counted, or of a whole validation.
    pub fn add_value(&mut self, split: Split, name: &str, value: f64) {
        let (step, valid) = (self.counted as f64, split == Split::Valid);
        if let Some(plot) = self.plots.iter_mut().find(|plot| plot.name == name) {
            if valid { plot.valid.add(step, value) } else { plot.train.add(step + 1.0, value) }
        }
    }

    /// All values of a step have come.
    pub fn end_values(&mut self) {
        self.counted += 1;
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

    /// Another step is done, with `tokens` tokens.
    pub fn step(&mut self, done: usize, tokens: usize) {
        self.done = done;
        self.tokens += tokens;
        self.first.get_or_insert_with(|| (Instant::now(), done));
        if matches!(self.phase, Phase::Starting | Phase::Compiling) {
            self.phase = Phase::Training;
        }
    }

    /// A pass over a split begins.
    pub fn begin(&mut self, split: Split) {
        self.phase = match (self.phase, split) {
            (Phase::Starting | Phase::Compiling, _) if self.opening.compiles && self.first.is_none() => self.phase,
            (_, Split::Valid) => Phase::Validating,
            (_, Split::Train) => Phase::Training,
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
        Some(self.opening.length.left(self.done, since.elapsed().as_secs_f64() / steps as f64))
    }

    /// A checkpoint is being written.
    pub fn save(&mut self) {
        self.phase = Phase::Saving;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let opening = Opening {
            run: "runs/a".into(),
            devices: vec![],
            start: 10,
            tokens: 320,
            length: Length::of_steps(100),
            compiles: false,
            checkpoint: None,
        };
        State::new(opening)
    }

    #[test]
    fn losses_come_first() {
        let mut state = state();
        ["Disc loss", "Disc AUC", "MLM loss", "Rate"].into_iter().for_each(|name| state.add_plot(name));
        let names: Vec<&str> = state.plots.iter().map(|plot| plot.name.as_str()).collect();
        assert_eq!(names, ["Disc loss", "MLM loss", "Disc AUC", "Rate"]);
        state.turn(-1);
        assert_eq!(state.selected, 3);
        state.turn(1);
        assert_eq!(state.selected, 0);
    }

    #[test]
    fn values_stand_at_their_step() {
        let mut state = state();
        state.add_plot("Loss");
        state.add_value(Split::Train, "Loss", 3.0);
        state.end_values();
        state.add_value(Split::Train, "Loss", 2.0);
        state.end_values();
        state.add_value(Split::Valid, "Loss", 2.5);
        assert_eq!(state.plots[0].train.points(), [(11.0, 3.0), (12.0, 2.0)]);
        assert_eq!(state.plots[0].valid.points(), [(12.0, 2.5)]);
    }

    #[test]
    fn warnings_stay_when_lines_go() {
        let mut state = state();
        state.add_summary("train 20/100 | loss 3\nwarning: 2 steps were skipped");
        (0..200).for_each(|step| state.add_summary(&format!("train {step}/100")));
        assert_eq!((state.lines.len(), state.warnings), (LINES, 1));
        assert_eq!(state.warning.as_deref(), Some("step 10: 2 steps were skipped"));
    }

    #[test]
    fn tokens_of_earlier_steps_count() {
        let mut state = state();
        state.step(11, 30);
        state.step(12, 50);
        assert_eq!(state.tokens, 400);
    }
}

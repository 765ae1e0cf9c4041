//! How long a run is: a number of steps, a time, or whichever ends first.

use crate::config::{TrainingConfig, UNBOUNDED};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The length of a run. Clones share one clock.
#[derive(Debug, Clone)]
pub struct Length {
    /// Steps of the whole run; absent where time alone ends it.
    pub steps: Option<usize>,
    /// Time of the whole run, where that is limited.
    pub budget: Option<Duration>,
    /// Time that earlier processes of the run have used.
    before: Duration,
    /// The first step of this process.
    begun: Arc<OnceLock<Instant>>,
}

impl Length {
    /// That of a run which has used `before` of its time.
    pub fn new(training: &TrainingConfig, before: Duration) -> Self {
        let steps = (training.steps != UNBOUNDED).then_some(training.steps);
        Self { steps, budget: training.time_budget, before, begun: Arc::default() }
    }

    /// That of a run of `steps`.
    pub fn of_steps(steps: usize) -> Self {
        Self { steps: Some(steps), budget: None, before: Duration::ZERO, begun: Arc::default() }
    }

    /// Starts the clock, unless it runs.
    pub fn begin(&self) {
        self.begun.get_or_init(Instant::now);
    }

    /// Time that the run has used.
    pub fn elapsed(&self) -> Duration {
        self.before + self.begun.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// The longest time from one validation and checkpoint to the next, where time is limited: a tenth of it, but not less than a
    /// minute.
    pub fn longest_window(&self) -> Option<Duration> {
        self.budget.map(|budget| (budget / 10).max(Duration::from_secs(60)))
    }

    /// The share of the time that is used, where time is limited: 1 and more when it is over.
    pub fn share_of_time(&self) -> Option<f64> {
        self.budget.map(|budget| self.elapsed().as_secs_f64() / budget.as_secs_f64())
    }

    /// The share of the run that is done after `step` steps, at most 1.
    pub fn share(&self, step: usize) -> f64 {
        let of_steps = self.steps.map_or(0.0, |steps| step as f64 / steps.max(1) as f64);
        of_steps.max(self.share_of_time().unwrap_or(0.0)).min(1.0)
    }

    /// Whether the run ends after `step` steps.
    pub fn is_over(&self, step: usize) -> bool {
        self.share(step) >= 1.0
    }

    /// The time from step `step` to the end, at `seconds_per_step`.
    pub fn left(&self, step: usize, seconds_per_step: f64) -> Duration {
        let by_steps = self.steps.map(|steps| seconds_per_step * steps.saturating_sub(step) as f64);
        let by_steps = by_steps.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        let by_time = self.budget.map(|budget| budget.saturating_sub(self.elapsed()));
        by_steps.into_iter().chain(by_time).min().unwrap_or(Duration::MAX)
    }

    /// What stands after the number of a step: `/1000`, or nothing where steps do not end the run.
    pub fn of(&self) -> String {
        self.steps.map_or_else(String::new, |steps| format!("/{steps}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(steps: Option<usize>, budget: Option<u64>, before: u64) -> Length {
        let budget = budget.map(Duration::from_secs);
        Length { steps, budget, before: Duration::from_secs(before), begun: Arc::default() }
    }

    #[test]
    fn steps_or_time_end_a_run() {
        let by_steps = length(Some(100), None, 1_000_000);
        assert_eq!((by_steps.share(25), by_steps.is_over(99), by_steps.is_over(100)), (0.25, false, true));
        let by_time = length(None, Some(60), 45);
        assert_eq!((by_time.share(1_000_000), by_time.is_over(1_000_000)), (0.75, false));
        let both = length(Some(100), Some(60), 45);
        assert_eq!((both.share(10), both.share(90), both.is_over(100)), (0.75, 0.9, true));
        assert!(length(None, Some(60), 60).is_over(0));
    }

    #[test]
    fn a_tenth_of_the_time_is_lost_at_most() {
        let longest = |budget| length(None, budget, 0).longest_window().map(|longest| longest.as_secs());
        assert_eq!([Some(3600), Some(20), None].map(longest), [Some(360), Some(60), None]);
    }

    #[test]
    fn what_comes_first_is_what_is_left() {
        let seconds = |length: Length| length.left(90, 2.0).as_secs();
        assert_eq!(seconds(length(Some(100), None, 0)), 20);
        assert_eq!(seconds(length(Some(100), Some(60), 45)), 15);
        assert_eq!(seconds(length(None, Some(60), 45)), 15);
        assert_eq!(length(Some(usize::MAX - 1), None, 0).left(0, f64::INFINITY), Duration::MAX);
    }

    #[test]
    fn the_clock_starts_with_the_first_step() {
        let length = length(None, Some(60), 45);
        assert_eq!(length.elapsed(), Duration::from_secs(45));
        length.begin();
        assert!(length.clone().elapsed() > Duration::from_secs(45), "clones share it");
    }
}

//! What is seen while a command works, on a terminal alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A line on the error stream of a terminal that says what is being done, until it is dropped.
pub struct Working(ProgressBar);

impl Working {
    /// Work that cannot be counted.
    pub fn on(what: &'static str) -> Self {
        Self::drawn(None, what, "{spinner} {msg}, {elapsed}")
    }

    /// `total` of `what`.
    pub fn through(total: usize, what: &'static str) -> Self {
        Self::drawn(Some(total as u64), what, "{bar:30} {pos}/{len} {msg}, {eta} left")
    }

    /// `what`, in unknown number.
    pub fn counting(what: &'static str) -> Self {
        Self::drawn(None, what, "{spinner} {pos} {msg}, {elapsed}")
    }

    fn drawn(total: Option<u64>, what: &'static str, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_message(what);
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts more that are done.
    pub fn add(&self, count: usize) {
        self.0.inc(count as u64);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

//! How long the thread that computes has been at its batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The beginning of a batch, for other threads to see.
#[derive(Debug)]
pub(super) struct Pulse {
    start: Instant,
    /// Microseconds from the start to the beginning of the batch, and one more; 0 while there is none.
    begun: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), begun: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// A batch begins.
    pub(super) fn begin(&self) {
        self.begun.store(self.start.elapsed().as_micros() as u64 + 1, Ordering::Relaxed);
    }

    /// It is done.
    pub(super) fn end(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    /// How long the batch has taken; none where there is none.
    pub(super) fn busy(&self) -> Option<Duration> {
        let begun = self.begun.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.start.elapsed().saturating_sub(Duration::from_micros(begun)))
    }
}

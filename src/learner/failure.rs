//! What an observer, or the file of records, failed with while a run trains.

use crate::error::Error;
use burn::train::Interrupter;
use std::sync::{Arc, Mutex, PoisonError};

/// Stops a run whose records cannot be written, and keeps why, for who started it: Burn's loggers cannot fail.
#[derive(Clone)]
pub(super) struct Failure {
    interrupter: Interrupter,
    error: Arc<Mutex<Option<Error>>>,
}

impl Failure {
    pub(super) fn new(interrupter: Interrupter) -> Self {
        Self { interrupter, error: Arc::default() }
    }

    /// Stops the run for `reason`; of several errors the first is kept.
    pub(super) fn stop(&self, reason: &str, error: Error) {
        self.interrupter.stop(Some(reason));
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub(super) fn take(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

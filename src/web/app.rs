//! What all requests share.

use super::listing::Listing;
use super::load::Load;
use electra_runs::{Follower, Run};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs whose curves are kept in memory, a mebibyte each at most.
const KEPT: usize = 128;

/// What all requests share.
pub(super) struct App {
    pub listing: Listing,
    /// Files of metrics that some page has shown.
    followers: Mutex<HashMap<PathBuf, Arc<Follower>>>,
    pub load: Load,
    /// Not zero once the server is to stop.
    pub signal: Arc<AtomicUsize>,
}

impl App {
    /// For the runs below `folder`.
    pub(super) fn new(folder: &Path, signal: Arc<AtomicUsize>) -> Self {
        Self { listing: Listing::new(folder), followers: Mutex::default(), load: Load::default(), signal }
    }

    /// Who reads the metrics of `run`.
    pub(super) fn follower(&self, run: &Run) -> Arc<Follower> {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if followers.len() >= KEPT && !followers.contains_key(&run.path) {
            // Those that no page looks at now; they would be read again.
            followers.retain(|_, follower| Arc::strong_count(follower) > 1);
        }
        followers.entry(run.path.clone()).or_insert_with(|| Follower::new(run.clone())).clone()
    }
}

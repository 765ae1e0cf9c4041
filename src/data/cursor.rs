//! Which steps a pass has, and how far it is.

use super::batch::StepBatch;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// The steps of the current window, shared between the strategy, which moves it, and the loaders.
#[derive(Debug, Clone, Default)]
pub struct Cursor(Arc<Mutex<Range<usize>>>);

impl Cursor {
    /// Moves to the window whose steps, from 0, are `steps`.
    pub fn set(&self, steps: Range<usize>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = steps;
    }

    /// The current window.
    pub fn get(&self) -> Range<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Items of a pass, which knows how far it is.
pub struct Pass<I> {
    items: I,
    done: usize,
    total: usize,
    unit: &'static str,
}

impl<I> Pass<I> {
    /// A pass over `total` items, each a `unit`.
    pub fn new(items: I, total: usize, unit: &'static str) -> Self {
        Self { items, done: 0, total, unit }
    }
}

impl<I: Iterator> Iterator for Pass<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.items.next()?;
        self.done += 1;
        Some(item)
    }
}

impl<B, I: Iterator<Item = Result<StepBatch<B>, DatasetError>>> DataLoaderIterator<StepBatch<B>> for Pass<I> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.total, Some(self.unit.into()))
    }
}

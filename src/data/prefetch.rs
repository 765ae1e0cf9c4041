//! The next batches are prepared while the current step runs.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Builder;

/// Items that wait to be taken: one that is ready and one that is being made hide all but very uneven work.
const READY: usize = 1;

/// What a background thread makes, in order. Dropping it stops the thread after the item that it is making.
pub struct Prefetch<T> {
    items: Receiver<T>,
    left: usize,
}

/// The thread that prepares batches has ended early.
#[derive(Debug, thiserror::Error)]
#[error("the thread that prepares the batches has stopped; its message stands above")]
pub struct Stopped;

impl<T: Send + 'static> Prefetch<T> {
    /// Makes `items` one after the other.
    ///
    /// # Errors
    /// The operating system's, where it grants no thread.
    pub fn new(
        items: impl ExactSizeIterator<Item = usize> + Send + 'static,
        make: impl Fn(usize) -> T + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(READY);
        let left = items.len();
        let work = move || {
            for item in items {
                if sender.send(make(item)).is_err() {
                    return;
                }
            }
        };
        Builder::new().name("batches".into()).spawn(work)?;
        Ok(Self { items: receiver, left })
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T, Stopped>;

    fn next(&mut self) -> Option<Result<T, Stopped>> {
        if self.left == 0 {
            return None;
        }
        let item = self.items.recv();
        self.left = if item.is_ok() { self.left - 1 } else { 0 };
        Some(item.map_err(|_| Stopped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn items_come_in_order_and_all_of_them() {
        let made: Vec<usize> = Prefetch::new(3..50, |item| item * 2).unwrap().map(Result::unwrap).collect();
        assert_eq!(made, (3..50).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_dropped_prefetch_stops() {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        let make = move |item| {
            seen.fetch_add(1, Ordering::SeqCst);
            item
        };
        let mut items = Prefetch::new(0..usize::MAX, make).unwrap();
        assert_eq!(items.next().unwrap().unwrap(), 0);
        drop(items);
        // The thread owns the other reference until it ends.
        while Arc::strong_count(&count) > 1 {
            std::thread::yield_now();
        }
        assert!(count.load(Ordering::SeqCst) <= READY + 3);
    }

    #[test]
    fn a_panic_is_an_error_and_no_hang() {
        let mut items = Prefetch::new(0..9, |item| assert!(item < 2, "on purpose")).unwrap();
        assert!(items.next().unwrap().is_ok() && items.next().unwrap().is_ok());
        assert!(items.next().unwrap().is_err());
        assert!(items.next().is_none());
    }
}

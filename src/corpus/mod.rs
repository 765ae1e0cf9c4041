//! Text documents and the token store.
//!
//! [`read`] streams documents from files of several formats; [`build`] tokenizes them into a [`TokenStore`] on disk, whose
//! ids are read from there as they are needed. Neither ever holds a corpus in memory.

mod build;
mod cache;
mod embedded;
mod hold_out;
mod inspect;
mod manifest;
pub mod read;
mod shard;
mod split;
mod store;

pub use build::{BuildOptions, Built, build};
pub use cache::{Vocabulary, cached};
pub use embedded::embedded;
pub use hold_out::HoldOut;
pub use inspect::{Inspection, inspect};
pub use manifest::{Duplicates, HeldOut, Manifest, SCHEMA_VERSION, ShardEntry, Width};
pub use store::{Split, TokenStore};

/// What is being done, for whoever waits.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Something new begins, or a fact about it.
    Stage(&'a str),
    /// Bytes of the corpus that were read; `total` is 0 where it is not known.
    Share {
        /// Read so far.
        done: u64,
        /// Size of the corpus on disk.
        total: u64,
    },
}

//! Runs of pretraining: data, steps, records, checkpoints, and what happens when something goes wrong.

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod faults;
mod from_pair;
mod loader;
mod parallel;
#[cfg(feature = "remote")]
mod remote;
mod resume;
mod samples;
mod tensorboard;
mod verdict;

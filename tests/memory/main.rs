//! What training takes of a device. The only test of its program, so that nothing else allocates there.

#[path = "../common/mod.rs"]
mod common;

mod estimate;

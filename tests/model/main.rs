//! What the networks compute: against the references, on every backend, and in files of other programs.

#[path = "../common/mod.rs"]
mod common;

mod architecture;
mod attributions;
mod backends;
mod encoder;
mod gpu;
mod import;
mod objective;
mod parity;

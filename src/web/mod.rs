//! Web pages on loopback, served by the program itself: the dashboard of runs, and what any such server needs.
//!
//! A server is a [`Listening`] socket and a router of axum. Everything lies in the binary: pages ask for nothing from
//! elsewhere, and their Content-Security-Policy says so.

mod curve;
mod dashboard;
mod details;
mod events;
mod follow;
mod guard;
mod listing;
mod load;
mod overview;
mod place;
mod records;
mod server;

pub use dashboard::dashboard;
pub use guard::guarded;
pub use server::{Listening, signalled};

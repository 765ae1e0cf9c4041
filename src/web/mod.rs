//! Web pages on loopback, served by the program itself: the dashboard of runs, and what any such server needs.
//!
//! Everything lies in the binary: pages ask for nothing from elsewhere, and their Content-Security-Policy says so.

mod app;
mod dashboard;
mod details;
mod events;
mod guard;
mod listing;
mod load;
mod records;

pub use dashboard::dashboard;
pub use guard::guarded;

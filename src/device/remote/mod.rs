//! Devices of other hosts: a [`Worker`] serves those of its host, and a run reaches them by their [`Address`]. Burn's
//! remote backend does the work; what is ours is how both find and trust each other.
//!
//! Both hold the same [`AccessToken`](crate::token::AccessToken). Over the encrypted transport (Iroh, QUIC with TLS 1.3, no relay) the worker's key follows
//! from the token and the address that it is reached at, so that a client knows whom to expect there, and a token that is
//! not the same meets nobody. A WebSocket is plain text, for loopback.

mod address;
mod client;
mod key;
mod transport;
mod worker;

pub use address::{Address, Transport};
pub use client::connect;
pub use worker::Worker;

//! Text documents and the token store.
//!
//! Documents are UTF-8 and end at a blank line. The store keeps the ids of all documents in one stream, held-out
//! documents last; here it lives in memory, four bytes a token.

mod embedded;
mod store;
mod text;

pub use embedded::embedded;
pub use store::{Split, TokenStore};
pub use text::read;

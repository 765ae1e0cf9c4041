//! Recommendation: what comes next in a session of items.
//!
//! The items are the vocabulary, a session is a document, and a pair is pretrained on them as on any text. The generator
//! proposes items for a `[MASK]` after the session, and the discriminator, which has learned to tell them from what
//! people chose, says how far it is to be believed.

mod data;
mod ranked;
mod recipe;
mod recommender;
mod refine;
mod run;

pub use recommender::{Recommender, Suggestion};
pub(super) use run::run;

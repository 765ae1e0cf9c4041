//! The metrics that the field reports, as pure functions on the host.
//!
//! Every figure agrees with a reference that others compare by, to 1e-6 (`tests/data/metrics.rs`):
//!
//! | Module             | Figures                                              | Reference                         |
//! |--------------------|------------------------------------------------------|-----------------------------------|
//! | [`classification`] | accuracy, precision, recall, F1, Matthews            | scikit-learn, zero division 0     |
//! | [`regression`]     | Pearson, Spearman, squared and absolute error        | SciPy, scikit-learn               |
//! | [`mod@entities`]   | precision, recall, F1 of entities in tag sequences   | seqeval, default mode             |
//! | [`squad`]          | exact match, F1, best no-answer threshold            | the SQuAD 1.1 and 2.0 scripts     |
//! | [`ranking`]        | MAP, MRR, NDCG, precision, recall, hit rate at k     | trec_eval                         |
//! | [`next_item`]      | MRR, NDCG, hit rate at k of one relevant item        | [`ranking`]                       |
//!
//! [`probability`] turns logits into probabilities.
//!
//! Shares and F1 lie in 0..=1, never in percent. Inputs that do not belong together (unequal lengths, unknown classes)
//! give `None`; a share of nothing is 0, as in the references.

pub mod classification;
pub mod counts;
pub mod entities;
pub mod next_item;
pub mod probability;
pub mod ranking;
pub mod regression;
pub mod squad;

pub use classification::{Confusion, MultiLabel};
pub use counts::Counts;
pub use entities::{Entity, EntityScores, entities};
pub use next_item::NextItems;
pub use probability::{sigmoid, softmax};
pub use ranking::Ranking;
pub use regression::{mean_absolute_error, mean_squared_error, pearson, spearman};

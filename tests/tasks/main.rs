//! Fine-tuned models: trained, judged, asked, and explained.

#[path = "../common/mod.rs"]
mod common;

mod explain;
mod finetune;
mod glue;
mod predict;
mod recommendation;
mod score;

//! ELECTRA's networks: embeddings, encoder, heads, and the generator-discriminator pair.
//!
//! Modules carry no backend: they compute on the device that their parameters live on. Nothing outside this folder
//! knows how tensors are laid out.

mod attention;
mod embeddings;
mod encoder;
mod heads;
mod init;
mod inputs;
mod networks;
mod packing;
mod pair;
mod structure;

pub use attention::Attention;
pub use embeddings::Embeddings;
pub use encoder::{Encoder, EncoderLayer};
pub use heads::{ClassificationHead, DiscriminatorHead, GeneratorHead};
pub use init::Init;
pub use inputs::{Inputs, Padding};
pub use networks::{
    Electra, ElectraForMaskedLm, ElectraForMultipleChoice, ElectraForPreTraining, ElectraForQuestionAnswering,
    ElectraForSequenceClassification, ElectraForTokenClassification, ElectraModel, SequenceSummary,
};
pub use pair::ElectraPair;

//! The device or devices of a command that trains.

use electra_burn::Result;
use electra_burn::device::Adapters;
use std::path::PathBuf;

/// Where to train.
#[derive(clap::Args)]
pub struct Devices {
    /// auto, names that `electra devices` lists, or remote:HOST:PORT for those of an `electra worker`; several, with commas
    /// between them, each train on their share of every batch
    #[arg(long = "device", default_value = "auto", value_name = "NAME[,NAME..]")]
    names: String,
    /// File with the token that the workers of --device remote:.. have too
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Devices {
    /// Opens them.
    pub fn open(&self) -> Result<Adapters> {
        Adapters::select(&self.names, self.token_file.as_deref())
    }
}

//! The devices of a run, one or more.

use super::{Adapter, require_precision, select};
use crate::config::Precision;
use crate::error::{Error, Result};
use std::path::Path;

/// The devices of a run: the first holds weights and optimizer, and each computes its share of every step.
#[derive(Debug, Clone)]
pub struct Adapters(Vec<Adapter>);

impl Adapters {
    /// These devices, in this order; the same one may stand there several times.
    ///
    /// # Errors
    /// [`Error::Device`] for none at all.
    pub fn new(adapters: Vec<Adapter>) -> Result<Self> {
        match adapters.is_empty() {
            true => Err(Error::Device("no device was named; expected one or more, with commas between them".into())),
            false => Ok(Self(adapters)),
        }
    }

    /// The devices that `names`, with commas between them, stand for: `auto`, `NAME[:INDEX]`, or `remote:HOST:PORT` for
    /// all devices of a worker that holds the token in `token_file`.
    ///
    /// # Errors
    /// Those of [`select`], and [`Error::Device`] for a worker that cannot be reached.
    pub fn select(names: &str, token_file: Option<&Path>) -> Result<Self> {
        let mut adapters = Vec::new();
        for name in names.split(',').map(str::trim) {
            match name.strip_prefix("remote:") {
                Some(address) => adapters.extend(remote(address, token_file)?),
                None => adapters.push(select(name)?),
            }
        }
        Self::new(adapters)
    }

    /// The device that holds the weights.
    pub fn main(&self) -> &Adapter {
        &self.0[0]
    }

    /// Why one of them can no longer be reached, if so.
    pub fn broken(&self) -> Option<String> {
        self.iter().find_map(|adapter| adapter.link.broken()).map(str::to_owned)
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Adapter> {
        self.0.iter()
    }

    /// The formats that `precision` stands for on them, for people.
    ///
    /// # Errors
    /// [`Error::Config`] that names the key.
    pub fn products(&self, precision: Precision) -> Result<String> {
        let mut names = Vec::new();
        for adapter in self.iter() {
            let name = require_precision(adapter, precision)?.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(format!("matrix products in {}", names.join(" and ")))
    }

    /// Checks that all have matrix products in `precision`.
    ///
    /// # Errors
    /// [`Error::Config`] that names the key.
    pub fn require_precision(&self, precision: Precision) -> Result<()> {
        self.iter().try_for_each(|adapter| require_precision(adapter, precision).map(drop))
    }
}

#[cfg(feature = "remote")]
fn remote(address: &str, token_file: Option<&Path>) -> Result<Vec<Adapter>> {
    use super::remote::{Address, connect};
    use crate::token::AccessToken;
    let address: Address = address.parse()?;
    let Some(token_file) = token_file else {
        return Err(Error::Usage(format!("{address}: expected --token-file with the file that the worker has too")));
    };
    connect(&address, &AccessToken::read(token_file)?)
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str, _token_file: Option<&Path>) -> Result<Vec<Adapter>> {
    let message =
        format!("device \"remote:{address}\" is not compiled in: add `--features remote` to the cargo command");
    Err(Error::Device(message))
}

impl From<Adapter> for Adapters {
    fn from(adapter: Adapter) -> Self {
        Self(vec![adapter])
    }
}

impl std::fmt::Display for Adapters {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        for (number, adapter) in self.iter().enumerate() {
            write!(f, "{}{adapter}", if number == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

//! Files and directories that are whole or absent, and where this program keeps what it can make again.

use crate::error::{Error, Result};
use std::path::PathBuf;

pub use electra_runs::files::*;

/// The directory that the environment variable `name` holds, else `part` of this program's directory in the user's cache.
///
/// # Errors
/// [`Error::Usage`] where the user has no cache: what lies in a folder for temporary files may be anyone's.
pub fn cache(name: &str, part: &str) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || {
        variable("XDG_CACHE_HOME")
            .or_else(|| variable("LOCALAPPDATA"))
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    let nowhere = || Error::Usage(format!("there is no cache directory, HOME is not set; {name} names one"));
    variable(name).or_else(|| Some(user()?.join("electra-burn").join(part))).ok_or_else(nowhere)
}

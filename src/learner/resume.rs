//! Which run is resumed, and what may be different then.

use crate::config::{Config, Source, check_kind, load};
use crate::error::{Error, Result};
use electra_runs::checkpoint_steps;
use electra_runs::layout::{CHECKPOINTS, CONFIG};
use std::path::{Path, PathBuf};

/// The configuration of the run at `directory` with the changes that `source` makes of its file.
///
/// # Errors
/// [`Error::Input`] where there is no run; [`Error::Config`] with every change that a run cannot be resumed with.
pub fn resumed_config(directory: &Path, source: impl FnOnce(Option<PathBuf>) -> Source) -> Result<Config> {
    let file = directory.join(CONFIG);
    if !file.is_file() {
        return Err(Error::input(directory, "there is no run here; expected a directory with config.toml"));
    }
    check_kind(&file, false)?;
    let saved = load(&written(file.clone()))?;
    let config = load(&Source { is_written: true, ..source(Some(file)) })?;
    saved.check_changes(&config)?;
    Ok(config)
}

/// The source of the configuration that a run has written to `file`.
pub(super) fn written(file: PathBuf) -> Source {
    Source { file: Some(file), is_written: true, ..Source::default() }
}

/// Whether the run at `directory` has saved a checkpoint.
pub fn has_checkpoint(directory: &Path) -> bool {
    checkpoint_steps(&directory.join(CHECKPOINTS)).is_ok_and(|steps| !steps.is_empty())
}

//! Directories that are whole or absent.

use crate::error::{Error, Result};
use std::path::Path;

/// Makes the directory `target`, which must not exist, whole or not at all: `fill` writes into a neighbour, which is
/// flushed and renamed.
///
/// # Errors
/// [`Error::Output`] where `target` exists or its parent cannot be written to; what `fill` returns; [`Error::Io`].
pub fn write_whole(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if target.exists() {
        return Err(Error::output(target, "it exists; expected a new directory, so that nothing is overwritten"));
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)
        .map_err(|error| Error::output(parent, format!("the directory cannot be made: {error}")))?;
    let partial = tempfile::Builder::new()
        .prefix(".partial-")
        .tempdir_in(parent)
        .map_err(|error| Error::output(parent, format!("the directory cannot be written to: {error}")))?;
    fill(partial.path())?;
    sync(partial.path())?;
    let partial = partial.keep();
    std::fs::rename(&partial, target).map_err(Error::io(target))
}

/// Flushes every file of `directory`, so that the rename that follows never shows a file without its contents.
fn sync(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(Error::io(directory))? {
        let path = entry.map_err(Error::io(directory))?.path();
        std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
    }
    Ok(())
}

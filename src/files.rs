//! Files and directories that are whole or absent.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

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

/// [`write_whole`], in the place of what is there: at every moment the old directory is there, or the new one, or, for an
/// instant, the new one beside its place.
///
/// # Errors
/// Those of [`write_whole`], but for a `target` that exists.
pub fn replace_whole(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if !target.exists() {
        return write_whole(target, fill);
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let (new, old) = (target.with_file_name(&name), target.with_extension("old"));
    for left in [&new, &old] {
        if left.exists() {
            std::fs::remove_dir_all(left).map_err(Error::io(left))?;
        }
    }
    write_whole(&new, fill)?;
    std::fs::rename(target, &old).map_err(Error::io(target))?;
    std::fs::rename(&new, target).map_err(Error::io(target))?;
    std::fs::remove_dir_all(&old).map_err(Error::io(&old))
}

/// Writes a file whole or not at all, in the place of an older one.
///
/// # Errors
/// [`Error::Io`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let write = || {
        let mut file = std::fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io(&partial))?;
    std::fs::rename(&partial, path).map_err(Error::io(path))
}

/// SHA-256 of the file at `path`, in hexadecimal.
///
/// # Errors
/// The operating system's.
pub fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut buffer) = (std::fs::File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Flushes every file below `directory`, so that the rename that follows never shows a file without its contents.
fn sync(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(Error::io(directory))? {
        let path = entry.map_err(Error::io(directory))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

/// The directory that the environment variable `name` holds, else `part` of this program's directory in the user's cache,
/// or in that for temporary files.
pub fn cache(name: &str, part: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = || {
        variable("XDG_CACHE_HOME")
            .or_else(|| variable("LOCALAPPDATA"))
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
    };
    variable(name).unwrap_or_else(|| user().join("electra-burn").join(part))
}

//! The directory of a run, which one process at a time writes to.

use crate::error::{Error, Result};
use crate::files;
use crate::layout::{CONFIG, LOCK};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A run directory, locked. The lock is the operating system's, so it ends with the process. A new directory vanishes again if
/// nothing was written into it.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    created: bool,
    kept: bool,
    _lock: File,
}

impl RunDirectory {
    /// Makes `path`, or takes it where it is empty.
    ///
    /// # Errors
    /// [`Error::Output`] where it holds something already, or cannot be made or written to.
    pub fn create(path: &Path) -> Result<Self> {
        let unusable =
            |error: std::io::Error| Error::output(path, format!("the output directory cannot be used: {error}"));
        let created = match std::fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != LOCK)) {
                    return Err(Error::output(
                        path,
                        "the output directory is not empty; expected a new one, so that no run is overwritten",
                    ));
                }
                false
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(path)
                    .map_err(|error| Error::output(path, format!("the output directory cannot be made: {error}")))?;
                true
            }
            Err(error) => return Err(unusable(error)),
        };
        Ok(Self { path: path.to_owned(), created, kept: false, _lock: lock(path)? })
    }

    /// The run that lies at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, [`Error::Output`] where another process writes to it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            return Err(Error::input(path, "there is no run here; expected a directory with config.toml"));
        }
        Ok(Self { path: path.to_owned(), created: false, kept: true, _lock: lock(path)? })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here on the directory stays.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.kept = true;
        self
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.kept {
            // Only an empty directory can be removed this way; one that is not stays, which is what is wanted.
            _ = std::fs::remove_file(self.path.join(LOCK));
            if self.created {
                _ = std::fs::remove_dir(&self.path);
            }
        }
    }
}

/// Whether a process is writing to the run at `path`.
pub fn is_locked(path: &Path) -> bool {
    files::open(&path.join(LOCK)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn lock(path: &Path) -> Result<File> {
    let name = path.join(LOCK);
    let unusable =
        |error: std::io::Error| Error::output(path, format!("the output directory cannot be written to: {error}"));
    let mut file = File::options().create(true).truncate(false).write(true).read(true).open(&name).map_err(unusable)?;
    // Who only looks whether it is locked holds it for an instant.
    let mut tries = 0;
    while let Err(error) = file.try_lock() {
        if let TryLockError::Error(error) = error {
            return Err(Error::output(
                path,
                format!("the file system cannot lock {LOCK}: {error}; expected one that can"),
            ));
        }
        tries += 1;
        if tries < 10 {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let writer = files::read_text(&name, files::SMALL).unwrap_or_default();
        let message = format!("process {} is writing to this run; wait for it, or stop it", writer.trim());
        return Err(Error::output(path, message));
    }
    let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    write.map_err(unusable)?;
    Ok(file)
}

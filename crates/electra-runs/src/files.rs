//! Files and directories that are whole or absent.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

/// Makes the directory `target`, which must not exist, whole or not at all: `fill` writes into a neighbour, which is
/// flushed and renamed.
///
/// # Errors
/// [`Error::Output`] where `target` exists or its parent cannot be written to; what `fill` returns; [`Error::Io`].
pub fn write_whole<E: From<Error>>(target: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if target.exists() {
        let message = "it exists; expected a new directory, so that nothing is overwritten";
        return Err(Error::output(target, message).into());
    }
    let parent = parent(target);
    std::fs::create_dir_all(parent)
        .map_err(|error| Error::output(parent, format!("the directory cannot be made: {error}")))?;
    let partial = neighbour(parent)?;
    fill(partial.path())?;
    sync(partial.path())?;
    let partial = partial.keep();
    Ok(std::fs::rename(&partial, target).map_err(Error::io(target))?)
}

/// A new directory below `parent` with a name of its own, with the permissions of a directory.
fn neighbour(parent: &Path) -> Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
        .prefix(".partial-")
        .tempdir_in(parent)
        .map_err(|error| Error::output(parent, format!("the directory cannot be written to: {error}")))
}

/// [`write_whole`], replacing the directory that is there. That is moved aside, and removed once the new one has its
/// name; a crash between the two leaves both, beside their place. What the old one has under a name that the new one lacks is
/// not ours, and moves into the new one.
///
/// # Errors
/// Those of [`write_whole`], but for a `target` that exists; [`Error::Output`] for one that is no directory.
pub fn replace_whole<E: From<Error>>(target: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if !target.exists() {
        return write_whole(target, fill);
    }
    if !target.is_dir() {
        return Err(Error::output(target, "it is no directory; expected one, or nothing").into());
    }
    let parent = parent(target);
    let (new, old) = (neighbour(parent)?, neighbour(parent)?);
    fill(new.path())?;
    sync(new.path())?;
    let aside = old.path().join(target.file_name().unwrap_or_default());
    std::fs::rename(target, &aside).map_err(Error::io(target))?;
    if let Err(error) = std::fs::rename(new.path(), target) {
        // Kept, whatever becomes of the way back.
        let aside = old.keep().join(target.file_name().unwrap_or_default());
        let error = match std::fs::rename(&aside, target) {
            Ok(()) => Error::io(target)(error),
            Err(_) => Error::output(target, format!("{error}; what was there is now {}", aside.display())),
        };
        return Err(error.into());
    }
    _ = new.keep();
    if let Err(error) = carry_over(&aside, target) {
        // Kept, with what could not be moved.
        let aside = old.keep();
        let message = format!("{error}; what else was there is now in {}", aside.display());
        return Err(Error::output(target, message).into());
    }
    Ok(old.close().map_err(Error::io(target))?)
}

/// Moves what `from` has and `to` lacks.
fn carry_over(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if !place.exists() {
            std::fs::rename(entry.path(), place)?;
        }
    }
    Ok(())
}

/// The directory that `path` lies in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file whole or not at all, replacing an older one.
///
/// # Errors
/// [`Error::Io`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".partial-").tempfile_in(parent(path)).map_err(Error::io(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(path))?;
    file.persist(path).map(drop).map_err(|error| Error::io(path)(error.error))
}

/// A file that replaces an older one when it is whole; until then that stays, and if it never is, nothing does. After
/// a link the file that it leads to is replaced, and what is no file (a pipe, a terminal) is written to as it is.
pub struct Replacement {
    path: PathBuf,
    file: Written,
}

enum Written {
    Neighbour(tempfile::NamedTempFile),
    Itself(std::fs::File),
}

impl Replacement {
    /// Begins the file that `path` shall be.
    ///
    /// # Errors
    /// [`Error::Output`] for a directory that does not exist or cannot be written to, and for a path that is one.
    pub fn new(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::output(path, "this is a directory; expected the name of a file"));
        }
        let unwritable = |error: std::io::Error| Error::output(path, format!("it cannot be written: {error}"));
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let file = std::fs::OpenOptions::new().write(true).open(path).map_err(unwritable)?;
            return Ok(Self { path: path.to_owned(), file: Written::Itself(file) });
        }
        if path.is_symlink() && !path.exists() {
            return Err(Error::output(path, "this link leads nowhere; expected the name of a file"));
        }
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.prefix(".partial-").tempfile_in(parent(&path)).map_err(unwritable)?;
        Ok(Self { path, file: Written::Neighbour(file) })
    }

    /// Writes the whole file at once.
    ///
    /// # Errors
    /// Those of [`new`](Self::new) and [`finish`](Self::finish).
    pub fn whole(path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = Self::new(path)?;
        file.write_all(bytes).map_err(Error::io(path))?;
        file.finish()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        match self.file {
            // A pipe has nothing to flush.
            Written::Itself(_) => Ok(()),
            Written::Neighbour(file) => {
                file.as_file().sync_all().map_err(Error::io(&self.path))?;
                file.persist(&self.path).map(drop).map_err(|error| Error::io(&self.path)(error.error))
            }
        }
    }

    fn target(&mut self) -> &mut dyn Write {
        match &mut self.file {
            Written::Neighbour(file) => file,
            Written::Itself(file) => file,
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.target().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.target().flush()
    }
}

/// Whether `name` is that of a file in a directory, and leads nowhere else.
pub fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(only)), None) if only == name)
}

/// Opens the file at `path` for reading. What is no regular file is an error: a pipe would be waited for.
///
/// # Errors
/// The operating system's.
pub fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let regular = |metadata: std::fs::Metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(std::io::Error::other("this is no regular file; expected one")),
    };
    std::fs::metadata(path).and_then(regular)?;
    let file = std::fs::File::open(path)?;
    file.metadata().and_then(regular)?;
    Ok(file)
}

/// The bytes of the file at `path`, which must have `most` at most.
///
/// # Errors
/// The operating system's; a file that is no regular one, or larger.
pub fn read(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!(
            "the file has more than {most} bytes, the most that are expected of it"
        )));
    }
    Ok(bytes)
}

/// [`read`] as text.
///
/// # Errors
/// Those of [`read`], and bytes that are no UTF-8.
pub fn read_text(path: &Path, most: u64) -> std::io::Result<String> {
    String::from_utf8(read(path, most)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count();
        let message =
            format!("line {line} is not UTF-8; expected text in UTF-8, as `iconv -f latin1 -t UTF-8 FILE` writes it");
        std::io::Error::new(std::io::ErrorKind::InvalidData, message)
    })
}

/// Calls `each` with the number, from 1, and the bytes of every line of the file at `path`, until it says `false`. No more than a
/// line is held.
///
/// # Errors
/// The operating system's; a file that is no regular one, and a line of more than `longest` bytes.
pub fn each_line(path: &Path, longest: u64, mut each: impl FnMut(usize, &[u8]) -> bool) -> std::io::Result<()> {
    let mut file = std::io::BufReader::new(open(path)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        match file.by_ref().take(longest.saturating_add(1)).read_until(b'\n', &mut line)? {
            0 => break,
            count if count as u64 > longest => {
                return Err(std::io::Error::other(format!("line {number} has more than {longest} bytes")));
            }
            _ if !each(number, &line) => break,
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of a line of a file of records, at most.
pub const LINE: u64 = 16 << 20;

/// Bytes of a file of settings or descriptions, at most.
pub const SMALL: u64 = 64 << 20;

/// Bytes of a file of records, at most.
pub const LARGE: u64 = 4 << 30;

/// SHA-256 of the file at `path`, in hexadecimal.
///
/// # Errors
/// The operating system's.
pub fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut buffer) = (open(path)?, Sha256::new(), vec![0; 1 << 16]);
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

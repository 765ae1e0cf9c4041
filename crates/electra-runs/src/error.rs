//! What can be wrong with a file: which one, where, and what was expected.

use std::path::{Path, PathBuf};

/// Result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a file or directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that was named cannot be used.
    #[error("{}{}: {message}", .path.display(), line_suffix(*.line))]
    Input {
        /// The file.
        path: PathBuf,
        /// 1-based line, where one can be named.
        line: Option<usize>,
        /// What is wrong and what was expected.
        message: String,
    },

    /// A place to write to cannot be used.
    #[error("{}: {message}", .path.display())]
    Output {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and what was expected.
        message: String,
    },

    /// Reading or writing failed.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// An unusable input file, without a line.
    pub fn input(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_owned(), line: None, message: message.into() }
    }

    /// An unusable place to write to.
    pub fn output(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Output { path: path.as_ref().to_owned(), message: message.into() }
    }

    /// Wraps an operating system error with the path that it is about; for use with `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}

fn line_suffix(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

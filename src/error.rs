//! The error type of the library: what went wrong, where, and what was expected.
//!
//! Errors fall into two groups ([`Error::is_wrong_input`]): wrong input, where nothing has been written yet and the user can
//! mend the cause, and what fails on its way.

use std::path::{Path, PathBuf};

/// Result of a library call.
pub type Result<T> = std::result::Result<T, Error>;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key, for example `model.hidden_size`.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Everything that can go wrong in this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One or more configuration values are wrong; all of them are listed.
    #[error("the configuration is wrong:{}", list(.0))]
    Config(Vec<Problem>),

    /// A configuration source does not parse or does not have the expected shape.
    #[error("{source_name}: {message}")]
    Syntax {
        /// A file's path, `--set`, or an environment variable.
        source_name: String,
        /// What the parser says, with the key or line.
        message: String,
    },

    /// A file that the user gave cannot be used.
    #[error("{}{}: {message}", .path.display(), line_suffix(*.line))]
    Input {
        /// The file.
        path: PathBuf,
        /// 1-based line, where one can be named.
        line: Option<usize>,
        /// What is wrong and what was expected.
        message: String,
    },

    /// A device was asked for that does not exist or is not compiled in.
    #[error("{0}")]
    Device(String),

    /// An argument does not fit what was asked for.
    #[error("{0}")]
    Usage(String),

    /// A place to write to cannot be used.
    #[error("{}: {message}", .path.display())]
    Output {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and what was expected.
        message: String,
    },

    /// Reading or writing failed after the run had begun.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// Training stopped on an error.
    #[error("training stopped: {0}")]
    Training(String),

    /// A device failed, or could not hand over what it has computed.
    #[error("the device: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// Something that cannot be, as far as this library knows.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl From<electra_runs::Error> for Error {
    fn from(error: electra_runs::Error) -> Self {
        match error {
            electra_runs::Error::Input { path, line, message } => Self::Input { path, line, message },
            electra_runs::Error::Output { path, message } => Self::Output { path, message },
            electra_runs::Error::Io { path, source } => Self::Io { path, source },
            other => Self::Internal(other.to_string()),
        }
    }
}

impl Error {
    /// Whether the user can mend it: wrong input or usage, found before anything was written.
    pub fn is_wrong_input(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Syntax { .. }
            | Self::Input { .. }
            | Self::Device(_)
            | Self::Usage(_)
            | Self::Output { .. } => true,
            Self::Io { .. } | Self::Training(_) | Self::Backend(_) | Self::Internal(_) => false,
        }
    }

    /// A failure of a device; for use with `map_err`.
    pub fn backend(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend(source.into())
    }

    /// Something that cannot be; for use with `map_err`.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        Self::Internal(reason.to_string())
    }

    /// An unusable input file, without a line.
    pub fn input(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_owned(), line: None, message: message.into() }
    }

    /// An unusable place to write to.
    pub fn output(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Output { path: path.as_ref().to_owned(), message: message.into() }
    }

    /// A single configuration problem.
    pub fn config(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config(vec![Problem { key: key.into(), message: message.into() }])
    }

    /// Wraps an operating system error with the path that it is about; for use with `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  {}: {}", p.key, p.message)).collect()
}

fn line_suffix(line: Option<usize>) -> String {
    line.map(|l| format!(":{l}")).unwrap_or_default()
}

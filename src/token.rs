//! A secret that two processes share: a worker and the run that trains on it, a server and its clients.

use crate::error::{Error, Result};
use crate::files;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// A secret of at least 32 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

/// Characters of the shortest token: what others see of its holder must not be enough to guess it.
const SHORTEST: usize = 32;

/// Different characters of a token, at least.
const KINDS: usize = 6;

impl AccessToken {
    /// Reads the token in the file at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path, 4096).map_err(|error| Error::input(path, error.to_string()))?;
        #[cfg(unix)]
        {
            let metadata = std::fs::metadata(path).map_err(|error| Error::input(path, error.to_string()))?;
            if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
                let message = "others than its owner may read it; expected a file for its owner alone (chmod 600)";
                return Err(Error::input(path, message));
            }
        }
        let token = text.trim();
        if token.len() < SHORTEST || token.contains(char::is_whitespace) {
            let message = format!("it holds no token; expected one word of {SHORTEST} characters or more");
            return Err(Error::input(path, message));
        }
        // 32 random hexadecimal digits have fewer kinds of characters than that once in a million million times.
        let kinds = token.chars().collect::<std::collections::BTreeSet<char>>().len();
        if kinds < KINDS {
            let message =
                format!("its token has {kinds} different characters and can be guessed; expected a random one");
            return Err(Error::input(path, message));
        }
        Ok(Self(token.to_owned()))
    }

    /// Reads the token at `path`, or writes a random one there that only its owner may read; whether it did the second.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`Error::Io`] where no file can be written.
    pub fn read_or_create(path: &Path) -> Result<(Self, bool)> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| Error::Usage(format!("the system has no random numbers: {error}")))?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                let token = hex(&random);
                writeln!(file, "{token}").map_err(Error::io(path))?;
                Ok((Self(token), true))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((Self::read(path)?, false)),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    /// The secret itself.
    #[cfg(feature = "remote")]
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the secret. What differs is not seen in the time that this takes: hashes are compared.
    pub(crate) fn is(&self, other: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(other)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let (token, made) = AccessToken::read_or_create(&path).unwrap();
        assert!(made && token.0.len() == 64);
        assert_eq!(AccessToken::read_or_create(&path).unwrap(), (token.clone(), false));
        assert_eq!(format!("{token:?}"), "AccessToken(..)");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        for wrong in ["", "short", &"two words".repeat(9)] {
            std::fs::write(&path, wrong).unwrap();
            let error = AccessToken::read(&path).unwrap_err().to_string();
            assert!(error.contains("expected one word of 32 characters"), "{error}");
        }
        // Finding 16 of the audit: both were taken without a word.
        std::fs::write(&path, "a".repeat(40)).unwrap();
        assert!(AccessToken::read(&path).unwrap_err().to_string().contains("can be guessed"));
        #[cfg(unix)]
        {
            std::fs::write(&path, &token.0).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            assert!(AccessToken::read(&path).unwrap_err().to_string().contains("chmod 600"));
        }
        assert!(AccessToken::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn no_other_text_is_the_secret() {
        let token = AccessToken("0123456789abcdef".repeat(2));
        assert!(token.is(&token.0));
        for other in ["", "0123456789abcdef", &format!("{} ", token.0), &token.0.to_uppercase()] {
            assert!(!token.is(other), "{other:?}");
        }
    }
}

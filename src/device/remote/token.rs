//! The secret that workers and trainers share.

use crate::error::{Error, Result};
use iroh::SecretKey;
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;

/// A secret of at least 32 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Characters of the shortest token: what others see of a worker must not be enough to guess it.
const SHORTEST: usize = 32;

impl Token {
    /// Reads the token in the file at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] for a file that cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::input(path, error.to_string()))?;
        let token = text.trim();
        if token.len() < SHORTEST || token.contains(char::is_whitespace) {
            let message = format!("it holds no token; expected one word of {SHORTEST} characters or more");
            return Err(Error::input(path, message));
        }
        Ok(Self(token.to_owned()))
    }

    /// Reads the token at `path`, or writes a random one there that only its owner may read; whether it did the second.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`Error::Io`] where no file can be written.
    pub fn read_or_create(path: &Path) -> Result<(Self, bool)> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(mut file) => {
                let token = hex(&SecretKey::generate().to_bytes());
                writeln!(file, "{token}").map_err(Error::io(path))?;
                Ok((Self(token), true))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok((Self::read(path)?, false)),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    /// The key of the worker that is reached at `address`.
    pub(super) fn key(&self, address: SocketAddr) -> SecretKey {
        let hash = Sha256::new().chain_update("electra worker\0").chain_update(&self.0);
        SecretKey::from_bytes(&hash.chain_update(format!("\0{address}")).finalize().into())
    }

    /// The secret itself.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Token(..)")
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
        let (token, made) = Token::read_or_create(&path).unwrap();
        assert!(made && token.secret().len() == 64);
        assert_eq!(Token::read_or_create(&path).unwrap(), (token.clone(), false));
        assert_eq!(format!("{token:?}"), "Token(..)");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        for wrong in ["", "short", &"two words".repeat(9)] {
            std::fs::write(&path, wrong).unwrap();
            let error = Token::read(&path).unwrap_err().to_string();
            assert!(error.contains("expected one word of 32 characters"), "{error}");
        }
        assert!(Token::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_key_depends_on_token_and_address() {
        let (one, other) = (Token("a".repeat(32)), Token("b".repeat(32)));
        let [here, there] = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        assert_eq!(one.key(here).public(), one.key(here).public());
        assert_ne!(one.key(here).public(), one.key(there).public());
        assert_ne!(one.key(here).public(), other.key(here).public());
    }
}

//! The secret that workers and trainers share.

use crate::error::{Error, Result};
use crate::files;
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

/// Different characters of a token, at least.
const KINDS: usize = 6;

impl Token {
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
        // Finding 16 of the audit: both were taken without a word.
        std::fs::write(&path, "a".repeat(40)).unwrap();
        assert!(Token::read(&path).unwrap_err().to_string().contains("can be guessed"));
        #[cfg(unix)]
        {
            std::fs::write(&path, token.secret()).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
            assert!(Token::read(&path).unwrap_err().to_string().contains("chmod 600"));
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

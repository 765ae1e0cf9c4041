//! The key by which a worker is known.

use crate::token::AccessToken;
use argon2::Argon2;
use iroh::SecretKey;
use std::net::SocketAddr;

/// The key of the worker with `token` that is reached at `address`. Everyone who can reach it sees the public half; the hash
/// between is slow (Argon2id, 19 MiB, two passes), so that tokens cannot be tried out against that.
pub(super) fn key(token: &AccessToken, address: SocketAddr) -> SecretKey {
    let (mut key, salt) = ([0; 32], format!("electra worker {address}"));
    let hashed = Argon2::default().hash_password_into(token.secret().as_bytes(), salt.as_bytes(), &mut key);
    hashed.expect("secret, salt and key have lengths that Argon2 takes");
    SecretKey::from_bytes(&key)
}

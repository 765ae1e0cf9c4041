//! Where a worker is.

use crate::error::{Error, Result};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// What carries the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Encrypted, each side sure of the other.
    Iroh,
    /// Plain text.
    WebSocket,
}

/// A worker as `--device` names it: `HOST:PORT`, or `ws://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What carries the traffic.
    pub transport: Transport,
    place: String,
}

/// What begins the address of a WebSocket.
const WEBSOCKET: &str = "ws://";

impl Address {
    /// The socket addresses that the host's name stands for, IPv4 first.
    ///
    /// # Errors
    /// [`Error::Device`] for a name that stands for none.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>> {
        let wrong = |reason: String| Error::Device(format!("{self}: {reason}; expected HOST:PORT"));
        let mut found: Vec<_> = self.place.to_socket_addrs().map_err(|error| wrong(error.to_string()))?.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        match found.is_empty() {
            true => Err(wrong("the name stands for no address".into())),
            false => Ok(found),
        }
    }

    /// `ws://HOST:PORT`, whatever the transport.
    pub(super) fn url(&self) -> String {
        format!("{WEBSOCKET}{}", self.place)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (transport, place) = match text.strip_prefix(WEBSOCKET) {
            Some(place) => (Transport::WebSocket, place),
            None => (Transport::Iroh, text),
        };
        let port = place.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(1..)) => Ok(Self { transport, place: place.to_owned() }),
            _ => Err(Error::Device(format!("\"remote:{text}\" has no port; expected remote:HOST:PORT"))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let scheme = if self.transport == Transport::WebSocket { WEBSOCKET } else { "" };
        write!(f, "remote:{scheme}{}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in ["host:7447", "10.0.0.1:1", "[::1]:7447", "ws://localhost:80"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), format!("remote:{text}"));
        }
        assert_eq!("ws://a:1".parse::<Address>().unwrap().transport, Transport::WebSocket);
        for text in ["", "host", ":7447", "host:", "host:0", "host:70000", "host:port", "ws://host"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("expected remote:HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn names_are_resolved() {
        let address: Address = "127.0.0.1:7447".parse().unwrap();
        assert_eq!(address.resolve().unwrap(), ["127.0.0.1:7447".parse().unwrap()]);
    }
}

//! Serving the devices of this host.

use super::address::Transport;
use super::key::key;
use super::transport::{GREETING, Greeting, RUNTIME, endpoint};
use crate::device::Adapters;
use crate::error::{Error, Result};
use crate::token::AccessToken;
use burn::server::{BURN_REMOTE_ALPN, RemoteServer, TokenAuthorizer, WebSocketTransport};
use iroh::protocol::Router;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A host's devices, to be trained on by others.
#[derive(Debug)]
pub struct Worker {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where clients reach that, if it is not the same.
    pub address: Option<SocketAddr>,
    /// What is served: devices of one backend.
    pub adapters: Adapters,
    /// What clients must know.
    pub token: AccessToken,
    /// What carries the traffic.
    pub transport: Transport,
    /// Whether plain text may leave this host.
    pub insecure: bool,
}

impl Worker {
    /// Serves until `signal` holds the number of one; `ready` receives the name by which clients reach this, once they can.
    ///
    /// # Errors
    /// [`Error::Usage`] for addresses that do not do, and [`Error::Device`] where it cannot listen or serve.
    pub fn serve(&self, signal: &AtomicUsize, ready: impl FnOnce(&str)) -> Result<()> {
        let address = self.address.unwrap_or(self.listen);
        if address.ip().is_unspecified() || address.port() == 0 {
            let message = "clients must know where to come to: with --listen on every interface, or on port 0, --address \
                           says it, as IP:PORT";
            return Err(Error::Usage(message.into()));
        }
        let authorizer = TokenAuthorizer::new(self.token.secret()).map_err(|error| Error::Usage(error.to_string()))?;
        let devices: Vec<_> = self.adapters.iter().map(|adapter| adapter.device.clone()).collect();
        let server = RemoteServer::new(devices).with_authorizer(authorizer);
        let failed = |error: &dyn std::fmt::Display| Error::Device(format!("{}: {error}", self.listen));
        match self.transport {
            Transport::Iroh => RUNTIME.block_on(async {
                let endpoint = endpoint(self.listen, Some(key(&self.token, address))).await.map_err(|e| failed(&e))?;
                let sessions = server.into_protocol(&endpoint).map_err(|error| failed(&error))?;
                let greeting = Greeting { token: self.token.clone(), text: self.adapters.to_string() };
                let router = Router::builder(endpoint).accept(BURN_REMOTE_ALPN, sessions).accept(GREETING, greeting);
                let router = router.spawn();
                ready(&format!("remote:{address}"));
                signalled(signal).await;
                router.shutdown().await.map_err(|error| failed(&error))
            }),
            Transport::WebSocket => {
                if !self.insecure && !self.listen.ip().is_loopback() {
                    let message = format!(
                        "a WebSocket on {} would carry token and tensors as plain text; leave --websocket out, listen on \
                         127.0.0.1, or say --insecure",
                        self.listen
                    );
                    return Err(Error::Usage(message));
                }
                let listener = std::net::TcpListener::bind(self.listen).map_err(|error| failed(&error))?;
                RUNTIME.block_on(async {
                    let serving = server.serve_async(WebSocketTransport::from_listener(listener));
                    ready(&format!("remote:ws://{address}"));
                    tokio::select! {
                        served = serving => served.map_err(|error| failed(&error)),
                        () = signalled(signal) => Ok(()),
                    }
                })
            }
        }
    }
}

/// Waits for a signal.
async fn signalled(signal: &AtomicUsize) {
    while signal.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

//! The encrypted transport's endpoints, and the greeting over which a client learns what it has reached.

use crate::token::AccessToken;
use iroh::endpoint::{Connection, IdleTimeout, PortmapperConfig, QuicTransportConfig, presets};
use iroh::protocol::{AcceptError, ProtocolHandler};
use iroh::{Endpoint, RelayMode, SecretKey};
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The protocol of the [`Greeting`]; another version is another protocol, and refused.
pub(super) const GREETING: &[u8] = b"electra/greeting/2";

/// Silence after which the other side is taken for dead, and the time between two signs of life.
const SILENCE: Duration = Duration::from_secs(12);
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// Where the sockets are served.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("remote").enable_all().build();
    runtime.expect("the system starts two threads more")
});

/// An endpoint at `address` whose only ways are direct ones.
///
/// # Errors
/// A sentence for an address that cannot be taken.
pub(super) async fn endpoint(address: SocketAddr, key: Option<SecretKey>) -> Result<Endpoint, String> {
    let config = QuicTransportConfig::builder()
        .max_idle_timeout(IdleTimeout::try_from(SILENCE).ok())
        .keep_alive_interval(SIGN_OF_LIFE)
        .default_path_max_idle_timeout(SILENCE)
        .default_path_keep_alive_interval(SIGN_OF_LIFE)
        .build();
    let builder = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(config)
        .clear_ip_transports()
        .bind_addr(address)
        .map_err(|error| error.to_string())?;
    let builder = match key {
        Some(key) => builder.secret_key(key),
        None => builder,
    };
    builder.bind().await.map_err(|error| error.to_string())
}

/// How long one side waits for the other.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of a token or greeting.
pub(super) const GREETING_BYTES: usize = 4096;

/// Tells a client that has the token what the worker serves, and stays on the line: when it breaks the client knows that the
/// worker has gone.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    pub token: AccessToken,
    pub text: String,
}

impl ProtocolHandler for Greeting {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        let asked = async {
            let (send, mut receive) = connection.accept_bi().await?;
            let token = receive.read_to_end(GREETING_BYTES).await.map_err(AcceptError::from_err)?;
            Ok::<_, AcceptError>((send, token))
        };
        let (mut send, token) = tokio::time::timeout(PATIENCE, asked).await.map_err(AcceptError::from_err)??;
        if !self.token.is(&String::from_utf8_lossy(&token)) {
            connection.close(1u8.into(), b"another token");
            return Ok(());
        }
        send.write_all(self.text.as_bytes()).await.map_err(AcceptError::from_err)?;
        send.finish()?;
        connection.closed().await;
        Ok(())
    }
}

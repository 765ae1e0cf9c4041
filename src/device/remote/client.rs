//! Reaching the devices of a worker.

use super::address::{Address, Transport};
use super::key::key;
use super::transport::{GREETING, GREETING_BYTES, PATIENCE, RUNTIME, endpoint};
use crate::device::{Adapter, Link};
use crate::error::{Error, Result};
use crate::token::AccessToken;
use burn::remote::{ConnectError, IrohHost, RemoteHost};
use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr};
use std::net::SocketAddr;
use std::sync::OnceLock;

/// The devices of the worker at `address`.
///
/// # Errors
/// [`Error::Device`] that names it and says why it cannot be reached.
pub fn connect(address: &Address, token: &AccessToken) -> Result<Vec<Adapter>> {
    let failed = |reason: &dyn std::fmt::Display| Error::Device(format!("{address}: {reason}"));
    let (host, description, link) = match address.transport {
        Transport::WebSocket => {
            (RemoteHost::websocket(&address.url()), "a worker, over plain text".to_owned(), Link::remote())
        }
        Transport::Iroh => {
            let (endpoint, peer, connection, greeting) =
                RUNTIME.block_on(reach(address, token)).map_err(|error| failed(&error))?;
            let (link, name) = (Link::remote(), address.to_string());
            let broken = link.clone();
            RUNTIME.spawn(async move {
                let reason = connection.closed().await;
                broken.breaks(format!("the worker {name} has gone away ({reason})"));
            });
            (RemoteHost::iroh(IrohHost::new(peer).with_endpoint(endpoint)), greeting, link)
        }
    };
    let devices = host.with_credential(token.secret()).devices().map_err(|error| failed(&explained(&error)))?;
    let several = devices.len() > 1;
    let adapter = |(number, device)| Adapter {
        name: if several { format!("{address}#{number}") } else { address.to_string() },
        description: description.clone(),
        is_gpu: false,
        memory: None,
        device,
        link: link.clone(),
    };
    Ok(devices.into_iter().enumerate().map(adapter).collect())
}

/// Greets the worker at the first of the addresses where it answers; returns the endpoint to go on from, the worker's
/// address, the line on which it stays, and what it says of itself.
async fn reach(address: &Address, token: &AccessToken) -> std::result::Result<Reached, String> {
    let places = address.resolve().map_err(|error| error.to_string())?;
    let mut reason = String::new();
    for place in places {
        let endpoint = own_endpoint(place).await?;
        let peer = EndpointAddr::new(key(token, place).public()).with_ip_addr(place);
        match tokio::time::timeout(PATIENCE, greet(&endpoint, peer.clone(), token)).await {
            Ok(Ok((connection, greeting))) => return Ok((endpoint, peer, connection, greeting)),
            Ok(Err(error)) => reason = error,
            Err(_) => reason = format!("no answer within {} seconds", PATIENCE.as_secs()),
        }
    }
    Err(format!(
        "no worker with this token answers there ({reason}); expected one that was started with the same token, listens on \
         this address or was told it with --address, and is of the same version"
    ))
}

type Reached = (Endpoint, EndpointAddr, Connection, String);

async fn greet(
    endpoint: &Endpoint,
    peer: EndpointAddr,
    token: &AccessToken,
) -> std::result::Result<(Connection, String), String> {
    let connection = endpoint.connect(peer, GREETING).await.map_err(|error| error.to_string())?;
    let (mut send, mut receive) = connection.open_bi().await.map_err(|error| error.to_string())?;
    // Its key has shown that the worker has the token too.
    send.write_all(token.secret().as_bytes()).await.map_err(|error| error.to_string())?;
    send.finish().map_err(|error| error.to_string())?;
    let greeting = receive.read_to_end(GREETING_BYTES).await.map_err(|error| error.to_string())?;
    Ok((connection, String::from_utf8_lossy(&greeting).into_owned()))
}

/// The endpoint of this process for the family of `place`; its own addresses do not matter.
async fn own_endpoint(place: SocketAddr) -> std::result::Result<Endpoint, String> {
    static ENDPOINTS: [OnceLock<Endpoint>; 2] = [const { OnceLock::new() }; 2];
    let (kept, any) = match place.is_ipv4() {
        true => (&ENDPOINTS[0], "0.0.0.0:0"),
        false => (&ENDPOINTS[1], "[::]:0"),
    };
    if let Some(endpoint) = kept.get() {
        return Ok(endpoint.clone());
    }
    let made = endpoint(any.parse().expect("the address is well formed"), None).await?;
    Ok(kept.get_or_init(|| made).clone())
}

/// What a user can do about an error of Burn's.
fn explained(error: &ConnectError) -> String {
    match error {
        ConnectError::Unauthorized => "the worker refuses the token; expected the one that it was started with".into(),
        ConnectError::IncompatibleProtocol { .. } | ConnectError::Handshake { .. } => {
            format!("{error}; expected a worker of the same version")
        }
        _ => error.to_string(),
    }
}

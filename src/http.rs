//! An HTTP server on one address, with bounds on what a client can take, that a signal stops; and whether a request means this
//! machine by its host.

use crate::error::{Error, Result};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// What clients can take.
#[derive(Debug, Clone, Copy)]
pub struct ClientBounds {
    /// Connections that are served at a time; others wait to be accepted.
    pub connections: usize,
    /// Longest time that the head of a request may take to arrive.
    pub head: Duration,
    /// How long answers under way may take once the server is asked to stop.
    pub grace: Duration,
}

impl Default for ClientBounds {
    fn default() -> Self {
        Self { connections: 1024, head: Duration::from_secs(10), grace: Duration::from_secs(10) }
    }
}

/// A bound address. Connections wait from now on, until [`serve`](Self::serve) takes them.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// How often the signal is looked at.
const LOOK: Duration = Duration::from_millis(50);

impl Server {
    /// Listens on `address`; port 0 stands for any free one.
    ///
    /// # Errors
    /// [`Error::Usage`] where that cannot be done.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let unusable = |error: std::io::Error| {
            Error::Usage(format!("cannot listen on {address}: {error}; expected a free port; --port 0 takes any"))
        };
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `app` until `signal` is set, then finishes the answers that are under way.
    ///
    /// # Errors
    /// [`Error::Usage`] where the system gives no threads.
    pub fn serve(self, app: Router, bounds: ClientBounds, signal: &AtomicUsize) -> Result<()> {
        let unusable = |error: std::io::Error| Error::Usage(format!("the server cannot start: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(unusable)?;
        let done = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            accept(listener, app, bounds, signal).await;
            Ok(())
        });
        // What still computes for a client that is gone is not waited for.
        runtime.shutdown_background();
        done.map_err(unusable)
    }
}

async fn accept(listener: tokio::net::TcpListener, app: Router, bounds: ClientBounds, signal: &AtomicUsize) {
    let (stop, stopped) = watch::channel(());
    let places = Arc::new(Semaphore::new(bounds.connections));
    let mut open = JoinSet::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = next => match (place, accepted) {
                (Ok(place), Ok((stream, _))) => {
                    open.spawn(connection(stream, app.clone(), bounds.head, stopped.clone(), place));
                }
                // No file descriptors are left, say: some become free.
                _ => tokio::time::sleep(LOOK).await,
            },
            Some(_) = open.join_next() => {}
            () = asked(signal) => break,
        }
    }
    drop((listener, stop));
    let all = async { while open.join_next().await.is_some() {} };
    // After the grace period connections are closed with the set.
    _ = tokio::time::timeout(bounds.grace, all).await;
}

async fn asked(signal: &AtomicUsize) {
    while signal.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(LOOK).await;
    }
}

/// Serves one connection; its errors are the client's affair.
async fn connection(
    stream: TcpStream,
    app: Router,
    head: Duration,
    mut stopped: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    // Small answers must not wait for more to send.
    _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)));
    tokio::select! {
        _ = serving.as_mut() => return,
        // Fails as soon as the sender is gone, which is what is waited for.
        _ = stopped.changed() => serving.as_mut().graceful_shutdown(),
    }
    _ = serving.await;
}

/// The hosts that requests may name. Without a check, a web page could give its own name the address of this machine and read the
/// answers (DNS rebinding).
#[derive(Debug, Clone)]
pub struct Hosts {
    /// The address that is listened on; names of this machine that no one else can have are always allowed.
    own: IpAddr,
    /// Names of this machine elsewhere, as a proxy in front hands them on.
    allowed: Vec<String>,
}

impl Hosts {
    /// Those of a server that listens on `own`, and those of `allowed`.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is no name of a host.
    pub fn new(own: IpAddr, allowed: &[String]) -> Result<Self> {
        let is_name = |name: &String| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        match allowed.iter().find(|name| !is_name(name)) {
            Some(name) => Err(Error::Usage(format!(
                "--allow-host: \"{name}\" is no name of a host; expected one such as box.example.org, without a port"
            ))),
            None => Ok(Self { own, allowed: allowed.to_vec() }),
        }
    }

    /// Whether all hosts that `request` names are among them, with any port.
    pub fn have(&self, request: &Request) -> bool {
        // An absolute URI has a host too.
        let authority = request.uri().authority().is_none_or(|authority| self.has(authority.as_str()));
        authority && host(request.headers()).is_some_and(|host| self.has(host))
    }

    fn has(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
        is_local(host, self.own) || self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = ["localhost", "127.0.0.1", "[::1]"].iter().map(|name| (*name).to_owned());
        let own = Some(self.own.to_string()).filter(|own| own != "127.0.0.1");
        let all: Vec<String> = all.chain(own).chain(self.allowed.iter().cloned()).collect();
        write!(f, "{} alone; --allow-host NAME adds a name", all.join(", "))
    }
}

/// The one Host header of a request.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Whether `host`, with or without a port, is `own`, or this machine by a name that no one else can have.
fn is_local(host: &str, own: IpAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    let is_own = name.trim_start_matches('[').trim_end_matches(']').parse() == Ok(own);
    is_port && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]" || is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_allowed() {
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &["box.tailnet.ts.net".into()]).unwrap();
        for host in ["localhost:6007", "box.tailnet.ts.net", "Box.tailnet.ts.net:443"] {
            assert!(hosts.has(host), "{host}");
        }
        for host in ["tailnet.ts.net", "box.tailnet.ts.net.evil.example", "box.tailnet.ts.net:evil", "evil.example"] {
            assert!(!hosts.has(host), "{host}");
        }
        for name in ["", "box:80", "a b", "*"] {
            assert!(Hosts::new("127.0.0.1".parse().unwrap(), &[name.into()]).is_err(), "{name}");
        }
    }

    #[test]
    fn hosts_of_this_machine_are_told_from_others() {
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let another: IpAddr = "127.0.0.2".parse().unwrap();
        assert!(is_local("127.0.0.2:80", another) && is_local("[::2]", "::2".parse().unwrap()));
        for host in ["localhost", "localhost:6007", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80"]
        {
            assert!(is_local(host, own), "{host}");
        }
        let others = [
            "",
            ":6007",
            "evil.example",
            "localhost.evil.example",
            "localhost.",
            "localhost:",
            "localhost:evil",
            "localhost:99999",
            "127.0.0.1.evil.example:6007",
            "127.0.0.1@evil.example",
            "evil@localhost:80",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "[::1]x",
            "[::2]:80",
            "localhost:80:80",
        ];
        for host in others {
            assert!(!is_local(host, own), "{host}");
        }
    }
}

//! A socket on loopback, and serving on it until a signal comes.

use crate::error::{Error, Result};
use axum::Router;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long requests that are being answered may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// A socket that clients of this machine can connect to.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Binds `port` of 127.0.0.1, or any free one for 0.
    ///
    /// # Errors
    /// [`Error::Usage`] where the port cannot be had.
    pub fn on_loopback(port: u16) -> Result<Self> {
        let failed = |error: std::io::Error| {
            let hint = "expected a free port; --port 0 takes any";
            Error::Usage(format!("port {port} of 127.0.0.1 cannot be listened on: {error}; {hint}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `router` until `signal` holds the number of one; what is being answered then has three seconds.
    ///
    /// # Errors
    /// [`Error::Usage`] where the system gives no threads or the socket fails.
    pub fn serve(self, router: Router, signal: &Arc<AtomicUsize>) -> Result<()> {
        let failed = |error: std::io::Error| Error::Usage(format!("{}: {error}", self.address));
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        let runtime = threads.worker_threads(2).thread_name("web").enable_all().build().map_err(failed)?;
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let stop = signalled(signal.clone());
            let serving = axum::serve(listener, router).with_graceful_shutdown(stop).into_future();
            tokio::select! {
                served = serving => served,
                () = async { signalled(signal.clone()).await; tokio::time::sleep(GRACE).await } => Ok(()),
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(500));
        served.map_err(failed)
    }
}

/// Waits for a signal.
pub async fn signalled(signal: Arc<AtomicUsize>) {
    while signal.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

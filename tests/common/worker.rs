//! A worker on loopback.

use super::backends::CPU;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A worker that serves flex; it is killed at the end.
pub struct Worker {
    pub process: Child,
    pub address: SocketAddr,
    /// What `--device` takes.
    pub name: String,
}

impl Worker {
    /// With the token in `at`, over the encrypted transport or a WebSocket.
    pub fn start(at: &Path, more: &[&str]) -> Self {
        let address = match more.contains(&"--websocket") {
            true => TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(),
            false => UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
        command.current_dir(at).args(["worker", "--device", CPU, "--token-file", "token"]);
        command.args(["--listen", &address.to_string()]).args(more).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("train on it")).expect("the worker serves");
        let name = line.split_whitespace().find(|word| word.starts_with("remote:")).unwrap().to_owned();
        Self { process, address, name }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

//! A command of the program that serves HTTP on loopback, and a client that can say anything.

use super::program::text;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server, which ends with the test.
pub struct Server {
    pub child: Child,
    /// IP and port.
    pub address: String,
}

impl Server {
    /// `electra COMMAND ARGUMENTS` on any free port, which its first line says.
    pub fn start(command: &str, arguments: &[&OsStr]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_electra"));
        program.arg(command).args(arguments).args(["--port", "0"]).stdout(Stdio::piped());
        let mut child = program.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("no address in: {line}"));
        Self { child, address: address.trim().trim_end_matches('/').to_owned() }
    }

    /// Of its page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Status, headers and body of the answer to a request, whatever stands in it.
    pub fn send(&self, request: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = text(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}: {answer}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    /// The answer to `method` for `path` of someone who takes it for `host`.
    pub fn request(&self, method: &str, path: &str, host: &str) -> (u16, String, String) {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    }

    /// What a browser would ask.
    pub fn get(&self, path: &str) -> (u16, String, String) {
        self.request("GET", path, &self.address)
    }

    /// An answer that must be JSON.
    pub fn json(&self, path: &str) -> Value {
        let (status, head, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(head.contains("content-type: application/json") && head.contains("nosniff"), "{head}");
        serde_json::from_str(&body).expect("JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

//! A command of the program that serves HTTP on loopback, and clients that do what a test says, wrong things too.

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
        Self { child, address: address.chars().take_while(|c| !" /\n".contains(*c)).collect() }
    }

    /// A connection that is kept.
    pub fn client(&self) -> Client {
        Client::new(&self.address)
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

/// A connection that is kept.
pub struct Client {
    address: String,
    stream: BufReader<TcpStream>,
    /// The server has said that its last answer was the last on this connection.
    closed: bool,
}

/// What a server says.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Client {
    pub fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Self { address: address.to_owned(), stream: BufReader::new(stream), closed: false }
    }

    /// Sends bytes as they are, on a new connection where the old one is closed; whether the server took them.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        if self.closed {
            *self = Self::new(&self.address);
        }
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        assert!(self.send(head.as_bytes()));
        self.answer().expect("an answer")
    }

    /// A POST of `body` as JSON.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.post_as(path, "application/json", body)
    }

    /// Connects again where the server has closed the connection after its last answer.
    pub fn post_as(&mut self, path: &str, kind: &str, body: &[u8]) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        let mut whole = head.into_bytes();
        whole.extend(body);
        for _ in 0..2 {
            // A server that refuses a body early need not take all of it.
            self.send(&whole);
            if let Some(answer) = self.answer() {
                return answer;
            }
            *self = Self::new(&self.address);
        }
        panic!("no answer to POST {path} of {} bytes", body.len());
    }

    /// The next answer; none where the server has closed the connection.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.stream.read_line(&mut head) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let length = field("content-length").map_or(0, |length| length.parse().expect("a length"));
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        let closes = field("connection").is_some_and(|value| value == "close");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        self.closed = closes;
        Some(Answer { status, head, body })
    }
}

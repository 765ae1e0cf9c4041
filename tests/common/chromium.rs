//! Chromium without a window, driven over the DevTools protocol: as much of it as tests of pages need.

use serde_json::{Value, json};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Long enough for a machine that does a lot beside.
const PATIENCE: Duration = Duration::from_secs(60);

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The browser's process, which ends with the test, however that ends.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A page in a browser of its own.
pub struct Page {
    browser: Browser,
    _profile: tempfile::TempDir,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    calls: u64,
    /// What the browser has told unasked.
    events: Vec<Value>,
}

impl Page {
    /// Opens `url`, or skips, seen, where there is no browser.
    pub fn open(url: &str) -> Option<Self> {
        let Some(program) = program() else {
            let required = std::env::var("ELECTRA_TEST_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "chromium"), "chromium is required and not there");
            writeln!(std::io::stderr(), "skipped: there is no chromium").expect("standard error takes a line");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--remote-debugging-port=0", "--window-size=1280,1000"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let browser = Browser(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("chromium starts"));
        let (port, path) = port(profile.path());
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("chromium listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).expect("a WebSocket");
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(200))).expect("a socket takes a timeout");
        let mut page = Self { browser, _profile: profile, socket, session: None, calls: 0, events: Vec::new() };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        page.session = page.call("Target.attachToTarget", attach)["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.call("Page.navigate", json!({"url": url}));
        Some(page)
    }

    /// Calls `method` and waits for its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).expect("chromium takes a message");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("chromium sends JSON");
                    if message["id"] == id {
                        assert!(message["error"].is_null(), "{method}: {message}");
                        return message["result"].clone();
                    }
                    if message["method"].is_string() {
                        self.events.push(message);
                    }
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{method}: {error}"),
            }
        }
        panic!("{method}: no answer in {PATIENCE:?}");
    }

    /// The value of a JavaScript expression.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until `expression` is true.
    pub fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(&format!("Boolean({expression})")) != true {
            if begun.elapsed() > PATIENCE {
                let page = self.value("document.body.innerText");
                panic!("never true: {expression}\n{:?}\n{}", self.problems(), page.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Errors on the console, exceptions, dialogs.
    pub fn problems(&self) -> Vec<&Value> {
        let is_problem = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => true,
            "Runtime.consoleAPICalled" => ["error", "assert"].iter().any(|kind| event["params"]["type"] == *kind),
            "Log.entryAdded" => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_problem).collect()
    }

    /// Addresses that were asked for something.
    pub fn requests(&self) -> Vec<&str> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Asked, it takes its children along and leaves nothing in its profile.
        self.session = None;
        let close = json!({"id": u64::MAX >> 12, "method": "Browser.close"}).to_string();
        _ = self.socket.send(Message::text(close));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) && matches!(self.browser.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file())
}

/// Where the browser that has just been started listens.
fn port(profile: &Path) -> (u16, String) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
        let mut lines = text.lines();
        if let (Some(port), Some(path)) = (lines.next().and_then(|line| line.parse().ok()), lines.next()) {
            return (port, path.to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("chromium did not say where it listens");
}

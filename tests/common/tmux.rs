//! A terminal for the program: a session of tmux with a server of its own.

use super::backends::REQUIRED;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long something may take to appear: generous, since nothing is timed here.
const PATIENCE: Duration = Duration::from_secs(120);

/// A shell in a terminal.
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// A terminal of `width` times `height` with a shell in `directory`; a skip that is seen where there is no tmux.
    pub fn open(directory: &Path, (width, height): (u16, u16)) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            let required = std::env::var(REQUIRED).unwrap_or_default();
            assert!(!required.split(',').any(|other| other == "tmux"), "{REQUIRED} asks for tmux");
            writeln!(std::io::stderr(), "skipped: tmux is not installed").expect("standard error takes a line");
            return None;
        }
        // A socket in the test's directory belongs to this test alone.
        let terminal = Self { socket: directory.join("tmux") };
        let (width, height) = (width.to_string(), height.to_string());
        let size = ["-x", &width, "-y", &height];
        let shell = "env PS1='ready> ' ENV= sh";
        let mut command = terminal.command(&["-f", "/dev/null", "new-session", "-d"]);
        let cache = format!("ELECTRA_CACHE={}", directory.join(".cache").display());
        command.args(size).args(["-e", &cache]).arg("-c").arg(directory).arg(shell);
        let output = command.output().expect("tmux starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        terminal.waits_for("ready>");
        Some(terminal)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments);
        command
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("tmux starts")
    }

    /// Types `line` and presses enter.
    pub fn enters(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.presses("Enter");
    }

    /// Presses `key`, as tmux calls it.
    pub fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Changes the size of the terminal.
    pub fn resizes(&self, (width, height): (u16, u16)) {
        let output = self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What is on the screen, lines that were too long for it in one piece.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-J"]).stdout).into_owned()
    }

    /// Waits until `part` is on the screen, and returns what is there then.
    pub fn waits_for(&self, part: &str) -> String {
        self.waits_until(part, |screen| screen.contains(part))
    }

    /// Waits until the screen is as `fits` says.
    pub fn waits_until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if fits(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "waiting for {what} at\n{screen}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Whether a program has the alternate screen.
    pub fn is_alternate(&self) -> bool {
        let output = self.tmux(&["display-message", "-p", "#{alternate_on}"]);
        String::from_utf8_lossy(&output.stdout).trim() == "1"
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

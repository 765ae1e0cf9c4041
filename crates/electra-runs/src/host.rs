//! What is known of the computer that a run is on, as far as its system shows it to an ordinary user.

use serde::{Deserialize, Serialize};

/// A computer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The system with its version, where that is known.
    pub system: String,
    /// Of the processor, for example `x86_64`.
    pub architecture: String,
    /// What the processor calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// Threads that this program computes with.
    pub threads: usize,
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

impl Host {
    /// This computer, where the program computes with `threads` threads.
    pub fn this(threads: usize) -> Self {
        Self {
            system: system(),
            architecture: std::env::consts::ARCH.to_owned(),
            processor: processor(),
            threads,
            memory: memory(),
        }
    }
}

fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    match name.map(|name| name.trim_matches('"')) {
        Some(name) if cfg!(target_os = "linux") => format!("{name} (linux)"),
        _ => std::env::consts::OS.to_owned(),
    }
}

fn processor() -> Option<String> {
    let name = if cfg!(windows) {
        std::env::var("PROCESSOR_IDENTIFIER").ok()?
    } else if cfg!(target_os = "macos") {
        let output = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?
    } else {
        let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':')?.1.to_owned()
    };
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Bytes of memory of this host, where the system reports it.
pub fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

//! Whether a device can still be reached.

use std::sync::{Arc, OnceLock};

/// The way to a device: whole for good, unless the device is on another host.
#[derive(Debug, Clone, Default)]
pub struct Link {
    broken: Arc<OnceLock<String>>,
    is_remote: bool,
}

impl Link {
    /// The way to another host.
    pub fn remote() -> Self {
        Self { is_remote: true, ..Self::default() }
    }

    /// Whether the device is on another host.
    pub fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// The way is broken; the first reason counts.
    pub fn breaks(&self, reason: String) {
        self.broken.get_or_init(|| reason);
    }

    /// Why the device can no longer be reached, if it cannot.
    pub fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }
}

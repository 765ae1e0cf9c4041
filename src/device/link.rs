//! Whether a device can still be reached.

use std::sync::{Arc, OnceLock};

/// The way to a device: whole for good, unless the device is on another host.
#[derive(Debug, Clone, Default)]
pub struct Link(Arc<OnceLock<String>>);

impl Link {
    /// The way is broken; the first reason counts.
    pub fn breaks(&self, reason: String) {
        self.0.get_or_init(|| reason);
    }

    /// Why the device can no longer be reached, if it cannot.
    pub fn broken(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

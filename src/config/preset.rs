//! Presets: complete configurations under `assets/presets`, compiled in.

use crate::error::{Error, Result};
use crate::suggest::hint;

/// Name and TOML text of every preset: our own recipe, smallest first, and then the paper's.
pub const PRESETS: [(&str, &str); 7] = [
    ("demo", include_str!("../../assets/presets/demo.toml")),
    ("tiny", include_str!("../../assets/presets/tiny.toml")),
    ("modern-small", include_str!("../../assets/presets/modern-small.toml")),
    ("modern-base", include_str!("../../assets/presets/modern-base.toml")),
    ("small", include_str!("../../assets/presets/small.toml")),
    ("base", include_str!("../../assets/presets/base.toml")),
    ("large", include_str!("../../assets/presets/large.toml")),
];

/// The preset `name` as a table.
///
/// # Errors
/// [`Error::Config`] with the names that exist.
pub fn preset(name: &str) -> Result<toml::Table> {
    let (_, text) = PRESETS.iter().find(|(n, _)| *n == name).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|(n, _)| *n).collect();
        let hint = hint(name, names.iter().copied());
        Error::config("--preset", format!("there is no preset \"{name}\"; expected one of {}{hint}", names.join(", ")))
    })?;
    Ok(text.parse().expect("the presets are tested"))
}

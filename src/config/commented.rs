//! A configuration as TOML with what every key means.

use super::Config;
use crate::error::{Error, Result};
use std::fmt::Write;
use toml::Table;

/// Comments and keys in their order; after a key an example of what it may be where it is absent.
const SETTINGS: &str = include_str!("../../assets/settings.toml");

/// `config` as [`load`](super::load) reads it back, with a comment above every key; keys without a value are commented out.
///
/// # Errors
/// [`Error::Internal`].
pub fn commented(config: &Config) -> Result<String> {
    let values: Table = config.to_toml().parse().map_err(Error::internal)?;
    let (mut text, mut section) = (String::new(), "");
    for line in SETTINGS.lines() {
        let table = match section {
            "" => Some(&values),
            section => values.get(section).and_then(toml::Value::as_table),
        };
        if line.is_empty() || line.starts_with('#') {
            text += line;
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            text += line;
        } else {
            let key = line.split(" = ").next().unwrap_or(line);
            match table.and_then(|table| table.get(key)) {
                Some(value) => write!(text, "{key} = {value}").map_err(Error::internal)?,
                None => write!(text, "# {line}").map_err(Error::internal)?,
            }
        }
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::misspelt::keys;
    use crate::config::{PRESETS, Source, load};

    #[test]
    fn every_key_has_a_comment() {
        let (mut section, mut found, mut above) = (String::new(), Vec::new(), "");
        for line in SETTINGS.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
            } else if !line.is_empty() && !line.starts_with('#') {
                assert!(above.starts_with("# "), "{line} has no comment");
                found.push(format!("{section}{}", line.split(" = ").next().unwrap()));
            }
            above = line;
        }
        let (mut keys, mut found) = (keys::<Config>(), found);
        keys.sort();
        found.sort();
        assert_eq!(found, keys);
    }

    #[test]
    fn a_commented_configuration_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        for (name, _) in PRESETS {
            let set = vec!["training.time_budget=1h 30m".into(), "training.keep_best=disc_gain".into()];
            let config = load(&Source { preset: Some(name.into()), set, ..Source::default() }).unwrap();
            std::fs::write(&file, commented(&config).unwrap()).unwrap();
            let again = load(&Source { file: Some(file.clone()), ..Source::default() }).unwrap();
            assert_eq!(again, config, "{name}");
        }
    }
}

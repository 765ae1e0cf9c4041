//! Where the model lies that a path stands for.

use crate::error::{Error, Result};
use electra_runs::layout::{CONFIG, DISCRIMINATOR, GENERATOR, MODEL};
use std::path::{Path, PathBuf};

/// The directory of the model at `path`: that itself, or that of the run at `path` which has the first of `names` that is there.
///
/// # Errors
/// [`Error::Input`] for a path with nothing there, with what to do where it looks like a name on the Hugging Face Hub.
pub fn place(path: &Path, names: &[&str]) -> Result<PathBuf> {
    let is_model = |path: &Path| path.join("config.json").is_file();
    if is_model(path) || path.join("recommendation.json").is_file() {
        return Ok(path.to_owned());
    }
    if let Some(found) = names.iter().map(|name| path.join(name)).find(|path| path.is_dir()) {
        return Ok(found);
    }
    if path.join(CONFIG).is_file() {
        let has = [DISCRIMINATOR, GENERATOR, MODEL].into_iter().filter(|name| path.join(name).is_dir());
        let has = has.collect::<Vec<_>>().join(" and ");
        let has = if has.is_empty() { "no model yet".into() } else { has };
        let message = format!("this is a run without {}, which has {has}; expected another one", names.join(" or "));
        return Err(Error::input(path, message));
    }
    if path.exists() {
        // What is missing is said by whoever opens it.
        return Ok(path.to_owned());
    }
    let name = path.to_string_lossy();
    let parts: Vec<&str> = name.split('/').collect();
    let is_name =
        |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let is_hub = matches!(parts[..], [_, _]) && parts.iter().all(|part| is_name(part) && !part.starts_with('.'));
    let advice = match is_hub {
        true => format!(
            "; if this is a model of the Hugging Face Hub, `hf download {name} --local-dir DIR` fetches it, and DIR names it here"
        ),
        false => String::new(),
    };
    Err(Error::input(path, format!("there is no such directory; expected that of a model or a run{advice}")))
}

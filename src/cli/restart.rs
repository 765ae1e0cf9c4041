//! `--restart`

use electra_burn::{Error, Result, learner};
use electra_runs::layout::CONFIG;
use std::path::Path;

/// Checks that `--restart` comes with `--resume`, which clap does not where that conflicts with another argument.
pub fn check(restart: bool, resume: bool) -> Result<()> {
    match restart && !resume {
        true => Err(Error::Usage("--restart starts a run over; expected --resume with the run".into())),
        false => Ok(()),
    }
}

/// Moves what the runs at or below `path` have come to out of the way, so that they start over, and says where it is.
pub fn restart(path: &Path) -> Result<()> {
    match set_aside(path, DEPTH)? {
        0 => Err(Error::input(path, "there is no run here; expected a directory with config.toml")),
        _ => Ok(()),
    }
}

/// Directories between that of a benchmark and that of a run: its task, its seed.
const DEPTH: usize = 2;

/// How many runs there are.
fn set_aside(path: &Path, depth: usize) -> Result<usize> {
    if path.join(CONFIG).is_file() {
        let (aside, step) = learner::set_aside(path)?;
        say!(
            "what {} had come to, up to step {}, is now in {}; training begins at step 0",
            path.display(),
            electra_runs::readable_count(step),
            aside.display()
        );
        return Ok(1);
    }
    if depth == 0 {
        return Ok(0);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::input(path, error.to_string()))?;
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            directories.push(entry.path());
        }
    }
    directories.sort();
    directories.iter().map(|directory| set_aside(directory, depth - 1)).sum()
}

//! Runs in a folder, and their files. For pages nothing outside of the folder: no name that comes from a browser becomes a path,
//! and no link is followed that leads elsewhere.

use crate::layout::CONFIG;
use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How deep runs may lie: those of a benchmark's tasks with several seeds lie three folders below.
const DEPTH: usize = 3;

/// Most runs of a folder.
const RUNS: usize = 2000;

/// Most bytes of a file that is read as a whole.
const TEXT: u64 = 1 << 20;

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that lead into the folder: for what answers others.
    Inside,
    /// All: for the owner of the folder, whose runs may lie on another disk.
    All,
}

/// The directory of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The folder that links must lead into, without links itself.
    root: Option<Arc<Path>>,
    /// Where it lies, without links.
    pub path: PathBuf,
    /// Where it was found: below the folder as that was given.
    pub found: PathBuf,
    /// Its path below the folder, with slashes.
    pub name: String,
}

impl Run {
    /// The file `name` of this run, where it is one and lies in the folder.
    ///
    /// # Errors
    /// The operating system's; `NotFound` for what lies elsewhere.
    pub fn open(&self, name: &str) -> Result<File> {
        let path = inside(self.root.as_deref(), &self.path.join(name))?;
        // Whatever else there is may never end, or never begin.
        if !path.metadata()?.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        File::open(path)
    }

    /// The text of the file `name`, up to a mebibyte; none where it cannot be read.
    pub fn text(&self, name: &str) -> Option<String> {
        let mut text = Vec::new();
        self.open(name).ok()?.take(TEXT).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// What the system says of `name`, file or directory.
    pub fn metadata(&self, name: &str) -> Option<Metadata> {
        inside(self.root.as_deref(), &self.path.join(name)).ok()?.metadata().ok()
    }

    /// The entries of the directory `name` with what the system says of them, links left out.
    pub fn entries(&self, name: &str) -> Vec<(String, Metadata)> {
        let Ok(entries) = inside(self.root.as_deref(), &self.path.join(name)).and_then(std::fs::read_dir) else {
            return Vec::new();
        };
        let entry = |entry: Result<std::fs::DirEntry>| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok().filter(|metadata| !metadata.is_symlink())?;
            Some((entry.file_name().to_string_lossy().into_owned(), metadata))
        };
        entries.filter_map(entry).collect()
    }
}

/// `path` without links, where that lies below `root` or there is none.
fn inside(root: Option<&Path>, path: &Path) -> Result<PathBuf> {
    let path = path.canonicalize()?;
    match root {
        Some(root) if !path.starts_with(root) => Err(Error::new(ErrorKind::NotFound, "outside of the folder")),
        _ => Ok(path),
    }
}

/// The runs below `given`, by name, or `given` itself where it is one. A folder that has gone has none.
pub fn discover(given: &Path, links: Links) -> Vec<Run> {
    let Ok(folder) = given.canonicalize() else { return Vec::new() };
    let root: Option<Arc<Path>> = (links == Links::Inside).then(|| folder.as_path().into());
    let mut found = Vec::new();
    if is_run(root.as_deref(), &folder) {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        found.push(Run { root, path: folder, found: given.to_owned(), name });
    } else {
        search(root.as_ref(), (&folder, given), "", DEPTH, &mut found);
        found.sort_by(|a, b| a.name.cmp(&b.name));
    }
    found
}

fn is_run(root: Option<&Path>, path: &Path) -> bool {
    inside(root, &path.join(CONFIG)).is_ok_and(|config| config.is_file())
}

fn search(root: Option<&Arc<Path>>, (folder, given): (&Path, &Path), prefix: &str, depth: usize, found: &mut Vec<Run>) {
    let within = root.map(|root| &**root);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let Ok(path) = inside(within, &entry.path()) else { continue };
        if hidden || !path.is_dir() || found.len() >= RUNS {
            continue;
        }
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let given = given.join(entry.file_name());
        if is_run(within, &path) {
            found.push(Run { root: root.cloned(), path, found: given, name });
        } else if depth > 1 {
            search(root, (&path, &given), &format!("{name}/"), depth - 1, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(path: &Path) {
        std::fs::create_dir_all(path).unwrap();
        std::fs::write(path.join(CONFIG), "").unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        discover(folder, Links::Inside).into_iter().map(|run| run.name).collect()
    }

    #[test]
    fn runs_are_found_below_and_the_folder_itself() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("b"));
        make(&folder.path().join("b/not-a-run-of-its-own"));
        make(&folder.path().join("a/task/seed-1"));
        make(&folder.path().join("a/b/c/too-deep"));
        make(&folder.path().join(".hidden"));
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert_eq!(names(folder.path()), ["a/task/seed-1", "b"]);
        assert_eq!(names(&folder.path().join("b")), ["b"]);
        assert!(names(&folder.path().join("gone")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_outside_are_not_followed() {
        use std::os::unix::fs::symlink;
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(&outside.path().join("secret"));
        make(&folder.path().join("own"));
        std::fs::write(outside.path().join("metrics.jsonl"), "secret").unwrap();
        symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        symlink(folder.path().join("own"), folder.path().join("twice")).unwrap();
        symlink(outside.path().join("metrics.jsonl"), folder.path().join("own/metrics.jsonl")).unwrap();
        symlink(outside.path(), folder.path().join("own/checkpoints")).unwrap();
        assert_eq!(names(folder.path()), ["own", "twice"]);
        let all: Vec<String> = discover(folder.path(), Links::All).into_iter().map(|run| run.name).collect();
        assert_eq!(all, ["link", "own", "twice"], "its owner sees all");
        let own = &discover(folder.path(), Links::Inside)[0];
        assert!(own.open("metrics.jsonl").is_err() && own.metadata("metrics.jsonl").is_none());
        assert!(own.entries("checkpoints").is_empty());
        assert!(own.open(CONFIG).is_ok());
    }
}

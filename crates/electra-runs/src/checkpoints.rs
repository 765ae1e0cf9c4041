//! Which checkpoints there are.

use std::path::Path;

/// Name of the directory of the checkpoint of `step`: `step-0001000`.
pub fn checkpoint_name(step: usize) -> String {
    format!("step-{step:07}")
}

/// The step of the checkpoint in a directory called `name`; none for a name that this program does not write: `step-7` is not ours.
pub fn checkpoint_step(name: &str) -> Option<usize> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (name == checkpoint_name(step)).then_some(step)
}

/// The steps that `directory` has checkpoints of, ascending.
///
/// # Errors
/// The operating system's.
pub fn checkpoint_steps(directory: &Path) -> std::io::Result<Vec<usize>> {
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        steps.extend(entry?.file_name().to_str().and_then(checkpoint_step));
    }
    steps.sort_unstable();
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_no_checkpoints() {
        let names =
            ["step-0000005", "step-0000010", "step-12345678", "step-x", "step-7", ".step-0000007", "step-00000005"];
        assert_eq!(names.map(checkpoint_step), [Some(5), Some(10), Some(12_345_678), None, None, None, None]);
        let directory = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::create_dir(directory.path().join(name)).unwrap());
        assert_eq!(checkpoint_steps(directory.path()).unwrap(), [5, 10, 12_345_678]);
    }
}

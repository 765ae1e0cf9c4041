//! Models that `scripts/fuzz.sh` has made: `ELECTRA_FUZZ_BASE` names the directory of a run with a tagger in it.

use std::path::{Path, PathBuf};

/// A path in the base.
pub fn base(part: &str) -> PathBuf {
    let base = std::env::var_os("ELECTRA_FUZZ_BASE").expect("ELECTRA_FUZZ_BASE names what scripts/fuzz.sh has made");
    Path::new(&base).join(part)
}

/// A copy of the discriminator, for files to be replaced in.
#[allow(dead_code, reason = "not every target needs one")]
pub fn discriminator() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for entry in std::fs::read_dir(base("discriminator")).expect("the base has a discriminator") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, directory.path().join(name)).expect("it can be copied");
    }
    directory
}

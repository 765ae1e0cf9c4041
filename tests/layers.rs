//! Modules use those above them and none below: the architecture, read from the `use` lines.

use std::path::Path;

/// Top to bottom. `error` is used by all; `main`'s modules are not part of the library.
const LAYERS: &[&str] = &[
    "error",
    "html",
    "json",
    "rows",
    "files",
    "token",
    "http",
    "metrics",
    "config",
    "device",
    "tokenizer",
    "corpus",
    "data",
    "kernels",
    "model",
    "objective",
    "scoring",
    "hub",
    "learner",
    "bench",
    "predict",
    "tasks",
    "explain",
    "serve",
    "report",
    "web",
];

/// The modules of the crate that a line names: by `crate::`, or by as many `super::` as lead to the root from a module at
/// `depth`.
fn used(line: &str, depth: usize) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names: Vec<String> = line.split("crate::").skip(1).map(name).collect();
    let mut rest = line;
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let after = rest.trim_start_matches("super::");
        if (rest.len() - after.len()) / "super::".len() >= depth {
            names.push(name(after));
        }
        rest = after;
    }
    names
}

fn check(path: &Path, layer: usize, edges: &mut usize) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check(&entry.unwrap().path(), layer, edges);
        }
        return;
    }
    // `src/a.rs` and `src/a/mod.rs` are one below the root, `src/a/b.rs` is two.
    let is_root_of_folder = path.file_name().is_some_and(|name| name == "mod.rs");
    let depth = path.components().count() - 1 - usize::from(is_root_of_folder);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        for name in used(line, depth) {
            if let Some(used) = LAYERS.iter().position(|other| *other == name) {
                assert!(used <= layer, "{}: `{}` uses `{name}`, which is below it", path.display(), LAYERS[layer]);
                *edges += usize::from(used < layer);
            }
        }
    }
}

/// A module that the list lacks would be checked by nobody.
#[test]
fn every_module_has_a_layer() {
    let text = std::fs::read_to_string("src/lib.rs").unwrap();
    let modules =
        text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let mut modules: Vec<&str> = modules.filter(|name| *name != "allocator").collect();
    modules.sort_unstable();
    let mut layers = LAYERS.to_vec();
    layers.sort_unstable();
    assert_eq!(modules, layers);
}

#[test]
fn paths_to_the_root_are_found() {
    assert_eq!(used("use super::super::tasks::Kind; use crate::hub;", 2), ["hub", "tasks"]);
    assert_eq!(used("use super::tasks::Kind;", 2), Vec::<String>::new());
    assert_eq!(used("use super::tasks::Kind;", 1), ["tasks"]);
}

#[test]
fn imports_point_upwards() {
    let src = Path::new("src");
    let mut edges = 0;
    for (layer, name) in LAYERS.iter().enumerate() {
        let file = src.join(format!("{name}.rs"));
        let path = if file.exists() { file } else { src.join(name) };
        check(&path, layer, &mut edges);
    }
    assert!(edges > 20, "only {edges} imports were found: is the test reading the right files?");
}

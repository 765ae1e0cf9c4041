//! The architecture, read from the sources: modules use those above them and none below, functions and structs stay small.

use std::path::{Path, PathBuf};

/// Top to bottom. `error` is used by all; `main`'s modules are not part of the library.
const LAYERS: &[&str] = &[
    "error",
    "html",
    "json",
    "suggest",
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

/// Most lines of a function, and fields of a struct.
const MOST_LINES: usize = 80;
const MOST_FIELDS: usize = 12;

/// What makes more fields right: a file or an interface has as many.
const REASONS: [&str; 2] = ["A field for each", "/// for each"];

/// The Rust files below `directory`.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.extend(path.extension().is_some_and(|end| end == "rs").then_some(path)),
        }
    }
}

/// The lines from `begin` to that which closes its brace, by the indentation that rustfmt gives both.
fn block<'a>(lines: &'a [&'a str], begin: usize) -> &'a [&'a str] {
    let indent = &lines[begin][..lines[begin].len() - lines[begin].trim_start().len()];
    let opens =
        lines[begin..].iter().position(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'));
    if !opens.is_some_and(|at| lines[begin + at].ends_with('{')) {
        return &lines[begin..=begin];
    }
    let length = lines[begin..].iter().position(|line| *line == format!("{indent}}}")).unwrap_or(0);
    &lines[begin..=begin + length]
}

/// `line` without `pub`, `pub(crate)` and the like.
fn item(line: &str) -> &str {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")).map_or(line, |(_, rest)| rest);
    let words = ["pub ", "const ", "async ", "unsafe "];
    words.iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line))
}

#[test]
fn functions_and_structs_stay_small() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    sources(Path::new("crates"), &mut files);
    let (mut functions, mut structs, mut problems) = (0, 0, Vec::new());
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let place = format!("{}:{}: {}", path.display(), at + 1, line.trim());
            if item(line).starts_with("fn ") {
                functions += 1;
                let length = block(&lines, at).len();
                problems.extend((length > MOST_LINES).then(|| format!("{place} has {length} lines")));
            } else if item(line).starts_with("struct ") {
                structs += 1;
                let is_field = |line: &&&str| {
                    let field = item(line);
                    !field.starts_with(['/', '#']) && field.contains(": ") && field.ends_with(',')
                };
                let fields = block(&lines, at).iter().filter(is_field).count();
                // Not the options of a command line, each of which is one.
                let above = lines[..at].iter().rev().take_while(|line| !line.is_empty());
                let above = above.copied().collect::<Vec<_>>().join("\n");
                let is_right = REASONS.iter().any(|reason| above.contains(reason)) || above.contains("clap::Args");
                problems.extend((fields > MOST_FIELDS && !is_right).then(|| format!("{place} has {fields} fields")));
            }
        }
    }
    assert!(functions > 1000 && structs > 100, "only {functions} functions and {structs} structs were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

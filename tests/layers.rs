//! Modules use those above them and none below: the architecture, read from the `use` lines.

use std::path::Path;

/// Top to bottom. `error` is used by all; `main`'s modules are not part of the library.
const LAYERS: &[&str] = &[
    "error",
    "curve",
    "files",
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
    "learner",
    "bench",
    "hub",
    "predict",
    "tasks",
    "explain",
    "serve",
    "report",
    "web",
];

fn check(path: &Path, layer: usize, edges: &mut usize) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            check(&entry.unwrap().path(), layer, edges);
        }
        return;
    }
    for line in std::fs::read_to_string(path).unwrap().lines() {
        for used in line.split("crate::").skip(1) {
            let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if let Some(used) = LAYERS.iter().position(|other| *other == name) {
                assert!(used <= layer, "{}: `{}` uses `{name}`, which is below it", path.display(), LAYERS[layer]);
                *edges += usize::from(used < layer);
            }
        }
    }
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

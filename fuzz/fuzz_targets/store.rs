//! Bytes as a shard below a manifest that expects one document of two tokens: opened or refused, never a panic.

#![no_main]

use electra_burn::corpus::{Split, TokenStore};
use libfuzzer_sys::fuzz_target;

const MANIFEST: &str = r#"{"schema_version": 2, "tokenizer_sha256": "", "vocab_size": 9, "dtype": "u16", "text_xxh3": "",
"text_bytes": 3, "documents": 1, "tokens": 2, "unknown_tokens": 0, "duplicates": {"found": 0, "dropped": false},
"held_out": {"by": {"share": 0.5}, "documents": 1, "tokens": 2,
"sha256": "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"},
"shards": [{"file": "s", "documents": 1, "tokens": 2, "sha256": ""}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).expect("it can be written");
    write("manifest.json", MANIFEST.as_bytes());
    write("held-out.bin", &[0; 8]);
    write("s", bytes);
    // Past the header and the offsets, the hash refuses whatever is left.
    if let Ok(store) = TokenStore::open(directory.path()) {
        panic!("a shard without its hash was opened: {:?}", store.range(Split::Valid));
    }
});

//! Bytes as a shard below a manifest that expects one document of two tokens: opened or refused, never a panic.

#![no_main]

use electra_burn::corpus::{Split, TokenStore};
use libfuzzer_sys::fuzz_target;

const MANIFEST: &str = r#"{"schema_version": 1, "tokenizer_sha256": "", "vocab_size": 9, "dtype": "u16", "text_xxh3": "",
"text_bytes": 3, "documents": 1, "tokens": 2, "unknown_tokens": 0, "duplicates": {"found": 0, "dropped": false},
"held_out": {"share": 0.5, "documents": 1, "tokens": 2},
"shards": [{"file": "s", "documents": 1, "tokens": 2, "sha256": ""}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).expect("it can be written");
    write("manifest.json", MANIFEST.as_bytes());
    write("s", bytes);
    // Past the header and the offsets, the hash refuses whatever is left.
    if let Ok(store) = TokenStore::open(directory.path()) {
        panic!("a shard without its hash was opened: {:?}", store.range(Split::Valid));
    }
});

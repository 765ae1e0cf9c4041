//! Bytes as a tokenizer's `tokenizer_config.json`, beside `tokenizer.json` or `vocab.txt` alone: read or refused, and what was
//! read splits any text. The first byte chooses.

#![no_main]

mod base;

use electra_burn::tokenizer::Tokenizer;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

static WITH: LazyLock<TempDir> = LazyLock::new(base::discriminator);
static WITHOUT: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = base::discriminator();
    std::fs::remove_file(directory.path().join("tokenizer.json")).expect("it is there");
    directory
});

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let directory: &Path = if choice & 1 == 0 { WITH.path() } else { WITHOUT.path() };
    std::fs::write(directory.join("tokenizer_config.json"), bytes).expect("it can be written");
    if let Ok(tokenizer) = Tokenizer::load(directory) {
        let text = String::from_utf8_lossy(bytes);
        for text in ["The water \u{301}of [MASK] \u{1f9e9}\u{0}stone", &text] {
            tokenizer.encode(text).expect("a tokenizer that was read splits any text");
        }
    }
});

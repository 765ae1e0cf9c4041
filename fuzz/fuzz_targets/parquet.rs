//! Bytes as a Parquet file: documents or one error. Panics inside the crate are caught by the reader, so the hook that
//! libFuzzer sets, which ends the process, is taken out; a panic that reaches the target still ends it.

#![no_main]

use electra_burn::config::{CorpusConfig, Format};
use electra_burn::corpus::read::{Corpus, MAX_DOCUMENT_BYTES, ReadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    let mut options = ReadOptions::from(&CorpusConfig::default());
    options.format = Some(Format::Parquet);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("a temporary file can be written");
    let corpus = Corpus::open(&[file.path().to_owned()], options).expect("the file is there");
    for document in corpus.documents().flatten() {
        assert!(!document.trim().is_empty() && document.len() <= MAX_DOCUMENT_BYTES);
    }
});

//! Bytes as a file of every format: documents or one error, never a panic. The first byte chooses format and policy.

#![no_main]

use electra_burn::config::{Boundary, CorpusConfig, Format, InvalidUtf8};
use electra_burn::corpus::read::{Corpus, MAX_DOCUMENT_BYTES, ReadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let formats = [Format::Text, Format::Jsonl, Format::Csv, Format::Tsv];
    let policies = [InvalidUtf8::Error, InvalidUtf8::Skip, InvalidUtf8::Replace];
    let mut options = ReadOptions::from(&CorpusConfig::default());
    options.format = Some(formats[usize::from(choice) % 4]);
    options.invalid_utf8 = policies[usize::from(choice >> 2) % 3];
    options.boundary = if choice & 0x80 == 0 { Boundary::BlankLine } else { Boundary::Line };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("a temporary file can be written");
    let corpus = Corpus::open(&[file.path().to_owned()], options).expect("the file is there");
    for document in corpus.documents().flatten() {
        assert!(!document.trim().is_empty() && document.len() <= MAX_DOCUMENT_BYTES);
    }
});

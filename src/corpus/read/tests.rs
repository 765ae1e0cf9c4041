use super::*;
use proptest::prelude::*;
use std::io::Write;

fn options() -> ReadOptions {
    ReadOptions::from(&CorpusConfig::default())
}

fn read(path: &Path, options: ReadOptions) -> Result<(Vec<String>, ReadStats)> {
    let mut documents = Corpus::open(&[path.to_owned()], options)?.documents();
    let all = documents.by_ref().collect::<Result<Vec<_>>>()?;
    Ok((all, *documents.stats()))
}

fn file(directory: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn blank_lines_end_documents_and_line_ends_do_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "a.txt", b"\xef\xbb\xbf\n\none\ntwo\n\n \t\nthree\r\n\r\nfour");
    let (documents, stats) = read(&path, options()).unwrap();
    assert_eq!(documents, ["one\ntwo", "three", "four"]);
    assert_eq!(stats.bytes, std::fs::metadata(&path).unwrap().len());
    let lines = ReadOptions { boundary: Boundary::Line, ..options() };
    assert_eq!(read(&path, lines).unwrap().0, ["one", "two", "three", "four"]);
}

#[test]
fn text_that_is_not_utf8_follows_the_policy() {
    let directory = tempfile::tempdir().unwrap();
    let text = file(&directory, "latin.txt", b"fine\nalso fine\ncaf\xe9\nend\n");
    let table = file(&directory, "latin.csv", b"text\nfine\n\"caf\xe9\"\n");
    let error = read(&text, options()).unwrap_err().to_string();
    assert!(error.contains("latin.txt:3:") && error.contains("not UTF-8"), "{error}");
    let error = read(&table, options()).unwrap_err().to_string();
    assert!(error.contains("latin.csv:3:"), "{error}");
    let with = |invalid_utf8| ReadOptions { invalid_utf8, ..options() };
    let (skipped, stats) = read(&text, with(InvalidUtf8::Skip)).unwrap();
    assert_eq!((skipped, stats.invalid_utf8), (vec!["fine\nalso fine\nend".to_owned()], 1));
    let (replaced, stats) = read(&table, with(InvalidUtf8::Replace)).unwrap();
    assert_eq!((replaced, stats.invalid_utf8), (vec!["fine".to_owned(), "caf\u{fffd}".into()], 1));
}

#[test]
fn errors_name_the_line_and_the_fields() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, parts) in [
        ("a.jsonl", "{\"text\": \"x\"}\n\n{\"body\": 1}\n", ["a.jsonl:3:", "no field \"text\"; the fields are: body"]),
        ("b.jsonl", "{\"text\": \"x\"}\n{\"text\": 1}\n", ["b.jsonl:2:", "not a string"]),
        ("c.jsonl", "{\"text\": \"x\n", ["c.jsonl:1:", "expected a JSON object"]),
        ("d.csv", "a,b\n1,2\n", ["d.csv:1:", "the columns are: a, b"]),
        ("e.csv", "text,b\n1,2\n3\n", ["e.csv:3:", "1 fields; expected 2"]),
        ("blank.csv", "\n\r\ntext,b\r\n\r\n\"1\r\n\r\n1\",2\r\n\n\n3\r\n", ["blank.csv:10:", "1 fields"]),
        ("twice.csv", "text,text\n1,2\n", ["twice.csv:1:", "two columns \"text\""]),
        ("cases.csv", "Text,TEXT\n1,2\n", ["cases.csv:1:", "two columns \"text\""]),
        ("mac.txt", "one\rtwo\rthree", ["mac.txt:", "a carriage return alone"]),
        ("array.jsonl", "[{\"text\": \"x\"}]\n", ["array.jsonl:1:", "the line is an array"]),
        ("header.tsv", "\r\n\na\tb\n", ["header.tsv:3:", "the columns are: a, b"]),
        ("f.txt", " \n\n", ["f.txt", "holds no text"]),
        ("g.parquet", "PAR1 not at all", ["g.parquet", "Parquet"]),
    ] {
        let error = read(&file(&directory, name, bytes.as_bytes()), options()).unwrap_err();
        assert!(error.is_wrong_input());
        parts.iter().for_each(|part| assert!(error.to_string().contains(part), "{name}: {error}"));
    }
    let nested = ReadOptions { text_field: "a.b".into(), ..options() };
    let path = file(&directory, "n.jsonl", b"{\"a\": {\"b\": \"deep\"}}\n{\"a.b\": \"flat\"}\n{\"a.b\": null}\n");
    let (documents, stats) = read(&path, nested).unwrap();
    assert_eq!((documents, stats.empty), (vec!["deep".to_owned(), "flat".into()], 1));
}

#[test]
fn a_truncated_file_is_an_error_and_a_multi_part_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let text = "some text that repeats, some text that repeats\n\n".repeat(2000);
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let xz = |text: &str| {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zst = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (name, bytes) in [("t.txt.gz", gzip(&text)), ("t.txt.xz", xz(&text)), ("t.txt.zst", zst(&text))] {
        let twice = [bytes.clone(), bytes.clone()].concat();
        assert_eq!(read(&file(&directory, name, &twice), options()).unwrap().0.len(), 4000, "{name}");
        let error = read(&file(&directory, name, &bytes[..bytes.len() - 7]), options()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn folders_are_sorted_and_globs_found() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("sub")).unwrap();
    for (name, text) in
        [("b.txt", "b"), ("a.jsonl", "{\"text\":\"a\"}"), ("sub/c.txt", "c"), (".h.txt", "h"), ("x.bin", "x")]
    {
        file(&directory, name, text.as_bytes());
    }
    assert_eq!(read(directory.path(), options()).unwrap().0, ["a", "b", "c"]);
    assert_eq!(read(&directory.path().join("*.txt"), options()).unwrap().0.last().unwrap(), "b");
    assert!(read(&directory.path().join("*.csv"), options()).unwrap_err().to_string().contains("no file fits"));
    assert!(read(&directory.path().join("none.txt"), options()).unwrap_err().to_string().contains("no such file"));
}

#[test]
fn a_line_without_end_is_cut_in_the_same_way_in_every_format() {
    let directory = tempfile::tempdir().unwrap();
    let words: String = (0..1_500_000).map(|i| format!("w{i} ")).collect();
    let text = file(&directory, "long.txt", words.as_bytes());
    let json = file(&directory, "long.jsonl", serde_json::json!({"text": words}).to_string().as_bytes());
    let (documents, stats) = read(&text, options()).unwrap();
    assert_eq!((documents.len(), stats.split), (2, 1));
    assert!(documents.iter().all(|d| d.len() <= MAX_DOCUMENT_BYTES));
    assert_eq!(documents.concat(), words);
    assert!(read(&json, options()).unwrap().0 == documents);
}

proptest! {
    #[test]
    fn cutting_loses_nothing(text in "[a-zé \n]{0,300}", limit in 4usize..40) {
        let mut assembler = Assembler::new(limit);
        assembler.record(&text, &mut ReadStats::default());
        prop_assert!(assembler.ready.iter().all(|d| d.len() <= limit && !d.trim().is_empty()));
        let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let pieces: Vec<_> = assembler.ready.iter().map(String::as_str).collect();
        prop_assert_eq!(bare(&pieces.concat()), bare(&text));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0usize..5, magic in 0usize..4) {
        let directory = tempfile::tempdir().unwrap();
        let name = ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.parquet"][kind];
        let start: &[u8] = [&b""[..], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"\xfd7zXZ\0"][magic];
        let path = file(&directory, name, &[start, &bytes].concat());
        let outcome = read(&path, ReadOptions { invalid_utf8: InvalidUtf8::Replace, ..options() });
        prop_assert!(outcome.is_err() || outcome.is_ok_and(|(documents, _)| documents.iter().all(|d| !d.is_empty())));
    }
}

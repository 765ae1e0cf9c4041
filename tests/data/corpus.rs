//! The token store: the same text gives the same bytes, whatever the format and whatever interrupts the build.

use crate::common::program::{directory, electra, pretrain, refused, succeeds, text};
use electra_burn::config::TokenizerConfig;
use electra_burn::corpus::read::Corpus;
use electra_burn::corpus::{self, BuildOptions, HoldOut, Split, TokenStore};
use electra_burn::data::{Purpose, Rng};
use electra_burn::tokenizer::Tokenizer;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TEXT: &str = concat!(
    include_str!("../../assets/corpus/01-nature.txt"),
    "\n\n",
    include_str!("../../assets/corpus/02-crafts.txt"),
    "\n\n",
    include_str!("../../assets/corpus/01-nature.txt"),
);

/// A directory with `corpus.txt` and `tokenizer/`.
fn prepared() -> tempfile::TempDir {
    let directory = directory();
    std::fs::write(directory.path().join("corpus.txt"), TEXT).unwrap();
    let train = ["tokenizer", "train", "--corpus", "corpus.txt", "--vocab-size", "800", "--output", "tokenizer"];
    succeeds(&electra(directory.path(), &train));
    directory
}

fn build(at: &Path, corpus: &str, output: &str, more: &[&str]) -> std::process::Output {
    let arguments = ["corpus", "build", "--corpus", corpus, "--tokenizer", "tokenizer", "--output", output];
    electra(at, &[&arguments[..], more].concat())
}

/// Names and contents of a store's files.
fn files(store: &Path) -> Vec<(String, Vec<u8>)> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    let mut files: Vec<_> = std::fs::read_dir(store).unwrap().map(entry).collect();
    files.sort();
    files
}

#[test]
fn the_same_text_gives_the_same_store_from_any_format() {
    let directory = prepared();
    let at = directory.path();
    let documents: Vec<&str> = TEXT.split("\n\n").map(str::trim).filter(|d| !d.is_empty()).collect();
    let json: String = documents.iter().map(|d| format!("{}\n", serde_json::json!({"id": 1, "text": d}))).collect();
    std::fs::write(at.join("c.jsonl.zst"), zstd::encode_all(json.as_bytes(), 3).unwrap()).unwrap();

    let file = std::fs::File::create(at.join("c.csv.gz")).unwrap();
    let mut csv = csv::Writer::from_writer(flate2::write::GzEncoder::new(file, Default::default()));
    csv.write_record(["id", "text"]).unwrap();
    documents.iter().for_each(|d| csv.write_record(["1", d]).unwrap());
    csv.into_inner().unwrap().finish().unwrap();

    let mut sources = vec!["corpus.txt", "c.jsonl.zst", "c.csv.gz"];
    if cfg!(feature = "parquet") {
        write_parquet(&at.join("c.parquet"), &documents);
        sources.push("c.parquet");
    }
    for (number, source) in sources.iter().enumerate() {
        succeeds(&build(at, source, &format!("store-{number}"), &["--shard-tokens", "5000"]));
    }
    let first = files(&at.join("store-0"));
    assert!(first.iter().filter(|(name, _)| name.ends_with(".safetensors")).count() > 3, "several shards");
    for (number, source) in sources.iter().enumerate() {
        assert!(files(&at.join(format!("store-{number}"))) == first, "{source} gives another store");
    }
    let mut piped = Command::new(env!("CARGO_BIN_EXE_electra"));
    let build = ["corpus", "build", "--corpus", "-", "--tokenizer", "tokenizer", "--output", "piped"];
    piped.current_dir(at).args(build).args(["--shard-tokens", "5000"]);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(TEXT.as_bytes()).unwrap();
    assert!(piped.wait().unwrap().success());
    assert!(files(&at.join("piped")) == first, "standard input gives another store");
}

#[cfg(not(feature = "parquet"))]
fn write_parquet(_: &Path, _: &[&str]) {}

#[cfg(feature = "parquet")]
fn write_parquet(path: &Path, documents: &[&str]) {
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    let schema = parse_message_type("message m { required binary id (UTF8); optional binary text (UTF8); }").unwrap();
    let properties =
        WriterProperties::builder().set_compression(parquet::basic::Compression::ZSTD(Default::default())).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema.into(), properties.into()).unwrap();
    for part in documents.chunks(50) {
        let mut group = writer.next_row_group().unwrap();
        let ids = vec![ByteArray::from("1"); part.len()];
        let texts: Vec<ByteArray> = part.iter().map(|d| ByteArray::from(*d)).collect();
        for (values, levels) in [(ids, None), (texts, Some(vec![1i16; part.len()]))] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Twenty kills at random moments, whatever the build is doing then.
#[test]
fn a_killed_build_goes_on_to_the_same_bytes() {
    let directory = prepared();
    let at = directory.path();
    std::fs::write(at.join("long.txt"), TEXT.repeat(40)).unwrap();
    let shards = ["--shard-tokens", "20000"];
    let started = Instant::now();
    succeeds(&build(at, "long.txt", "whole", &shards));
    let whole = started.elapsed();

    let mut rng = Rng::new(4, Purpose::Order, 0, 0);
    let (mut kills, mut resumed) = (0, 0);
    for attempt in 0..200 {
        let output = format!("killed-{attempt}");
        while kills < 20 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
            command.current_dir(at).args(["corpus", "build", "--corpus", "long.txt", "--tokenizer", "tokenizer"]);
            command.args(["--output", &output]).args(shards).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(whole.as_micros() as usize) as u64));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
        }
        if !at.join(&output).exists() {
            // Whole shards that a build has left are what the next one resumes from.
            let state = std::fs::read_to_string(at.join(format!("{output}.partial/state.json")));
            let has_shards = state.is_ok_and(|state| state.contains("\"file\": \"tokens-"));
            let last = build(at, "long.txt", &output, &shards);
            succeeds(&last);
            assert_eq!(text(&last.stdout).contains("resumed after"), has_shards, "{}", text(&last.stdout));
            resumed += usize::from(has_shards);
        }
        assert!(files(&at.join(&output)) == files(&at.join("whole")), "{output} differs after {kills} kills");
        if kills >= 20 {
            break;
        }
    }
    assert_eq!(kills, 20);
    println!("{kills} kills, {resumed} of the last builds taken up");
}

#[test]
fn a_changed_text_or_tokenizer_is_not_mixed_into_an_unfinished_store() {
    let directory = prepared();
    let at = directory.path();
    succeeds(&build(at, "corpus.txt", "whole", &["--shard-tokens", "5000"]));
    let refused_with = |output: &std::process::Output, part: &str| refused(output, &[part]);
    refused_with(&build(at, "corpus.txt", "whole", &[]), "a finished store is never changed");

    // A document that cannot be read, behind some shards, leaves an unfinished store behind.
    std::fs::write(at.join("bad.txt"), [TEXT.repeat(40).as_bytes(), b"\n\n\xff\n"].concat()).unwrap();
    refused_with(&build(at, "bad.txt", "half", &["--shard-tokens", "5000"]), "not UTF-8");
    assert!(at.join("half.partial/state.json").is_file(), "some shards were finished");
    std::fs::write(at.join("other.txt"), TEXT.replace("the", "an").repeat(40)).unwrap();
    refused_with(&build(at, "other.txt", "half", &["--shard-tokens", "5000"]), "the text has changed");
    refused_with(&build(at, "bad.txt", "half", &["--shard-tokens", "6000"]), "other options");
    std::fs::write(at.join("bad.txt"), TEXT.repeat(40)).unwrap();
    let output = build(at, "bad.txt", "half", &["--shard-tokens", "5000"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("resumed after"), "{}", text(&output.stdout));
}

#[test]
fn one_flipped_bit_is_found_and_refused() {
    let directory = prepared();
    let at = directory.path();
    succeeds(&build(at, "corpus.txt", "store", &["--shard-tokens", "5000"]));
    let output = electra(at, &["corpus", "inspect", "store"]);
    succeeds(&output);
    assert!(text(&output.stdout).contains("every hash agrees"));
    let run = ["--corpus", "store", "--set", "training.steps=1", "model.vocab_size=800"];
    succeeds(&pretrain(at, &run));

    let shard = at.join("store/tokens-00001.safetensors");
    let whole = std::fs::read(&shard).unwrap();
    let mut rng = Rng::new(5, Purpose::Order, 0, 0);
    for place in [3, 40, whole.len() - 1, rng.below(whole.len()), rng.below(whole.len())] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << rng.below(8);
        std::fs::write(&shard, bytes).unwrap();
        refused(&electra(at, &["corpus", "inspect", "store"]), &["tokens-00001.safetensors"]);
        refused(&pretrain(at, &run), &["tokens-00001.safetensors"]);
    }
    std::fs::write(&shard, &whole[..whole.len() - 8]).unwrap();
    refused(&electra(at, &["corpus", "inspect", "store"]), &["tokens-00001.safetensors", "damaged"]);
    std::fs::write(&shard, &whole).unwrap();
    let manifest = at.join("store/manifest.json");
    let json = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, json.replace("\"schema_version\": 2", "\"schema_version\": 9")).unwrap();
    refused(&electra(at, &["corpus", "inspect", "store"]), &["manifest.json", "schema_version is 9; expected 2"]);
}

#[test]
fn duplicates_are_counted_and_dropped_on_request() {
    let directory = prepared();
    let at = directory.path();
    succeeds(&build(at, "corpus.txt", "kept", &[]));
    succeeds(&build(at, "corpus.txt", "dropped", &["--drop-duplicates"]));
    let manifest = |store: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(at.join(store).join("manifest.json")).unwrap()).unwrap()
    };
    let (kept, dropped) = (manifest("kept"), manifest("dropped"));
    let found = kept["duplicates"]["found"].as_u64().unwrap();
    assert!(found > 10, "the first text stands there twice");
    assert_eq!(dropped["duplicates"]["found"].as_u64().unwrap(), found);
    assert_eq!(kept["documents"].as_u64().unwrap() - found, dropped["documents"].as_u64().unwrap());
}

#[test]
fn a_run_reuses_the_store_of_its_corpus() {
    let directory = prepared();
    let at = directory.path();
    let run = |name: &str| {
        let arguments = ["--corpus", "corpus.txt", "--output", name, "--set", "training.steps=1"];
        let output = pretrain(at, &arguments);
        succeeds(&output);
        text(&output.stdout)
    };
    assert!(!run("first").contains("in the cache"));
    assert!(run("second").contains("in the cache"));
}

#[test]
fn tokenizers_are_taken_over_and_used() {
    let directory = prepared();
    let at = directory.path();
    let import = ["tokenizer", "import", "tokenizer/vocab.txt", "--output", "again"];
    succeeds(&electra(at, &import));
    let encode = |tokenizer: &str| {
        let output =
            electra(at, &["tokenizer", "encode", "--tokenizer", tokenizer, "--json", "The Water of the river"]);
        succeeds(&output);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json
    };
    assert_eq!(encode("tokenizer"), encode("again"));
    assert_eq!(encode("again")["tokens"][0]["token"], "the");
    refused(&electra(at, &import), &["again", "it exists"]);
    std::fs::write(at.join("bad.txt"), "[PAD]\n[UNK]\nword\t7\n").unwrap();
    refused(&electra(at, &["tokenizer", "import", "bad.txt", "--output", "no"]), &["bad.txt:3:", "has a tab"]);
}

/// Finding 13: which documents are held out follows from what stands in them. Equal ones are on one side, and their order does
/// not matter.
#[test]
fn documents_are_held_out_by_their_contents() {
    let directory = directory();
    let at = directory.path();
    let documents: Vec<String> =
        TEXT.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let tokenizer = Tokenizer::train(documents.iter().cloned().map(Ok), 800, &TokenizerConfig::default()).unwrap();
    let sides = |name: &str, texts: Vec<String>| -> [BTreeSet<Vec<u32>>; 2] {
        let options = BuildOptions { hold_out: HoldOut::Share(0.1), shard_tokens: 3000, ..BuildOptions::default() };
        let built =
            corpus::build(&Corpus::from_texts(name, texts), &tokenizer, &at.join(name), &options, &mut |_| ()).unwrap();
        let share = built.manifest.held_out_share();
        assert!((0.08..0.12).contains(&share), "{share} in {name}");
        let store = TokenStore::open(&at.join(name)).unwrap();
        [Split::Train, Split::Valid].map(|split| {
            let tokens = |document: usize| {
                let mut ids = Vec::new();
                store.read(store.document(document), &mut ids).unwrap();
                ids
            };
            store.document_range(split).map(tokens).collect()
        })
    };
    let once = sides("once", documents.clone());
    assert!(once[1].len() > 3 && once[0].is_disjoint(&once[1]));
    // Three copies of each, from the last to the first; some differ in case and spaces, which the networks do not see.
    let loud = documents.iter().map(|text| format!(" {}", text.to_uppercase().replace(' ', "  ")));
    let thrice =
        sides("thrice", documents.iter().rev().cloned().chain(loud).chain(documents.iter().cloned()).collect());
    assert!(thrice == once, "{} and {} are held out", thrice[1].len(), once[1].len());
}

/// With one text there is nothing to train on beside what is held out.
#[test]
fn copies_of_one_document_are_no_corpus() {
    let directory = prepared();
    let at = directory.path();
    std::fs::write(at.join("same.txt"), "the water and the stone of the river\n\n".repeat(50)).unwrap();
    let expected = ["same.txt", "its 50 documents are one, or copies of one"];
    refused(&build(at, "same.txt", "same", &[]), &expected);
    refused(&pretrain(at, &["--corpus", "same.txt", "--output", "run", "--set", "model.vocab_size=40"]), &expected);
    assert!(!at.join("same").exists() && !at.join("run").exists());
}

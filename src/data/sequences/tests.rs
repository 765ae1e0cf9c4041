use super::{Rng, *};
use crate::config::{Source, TokenizerConfig, load};
use crate::corpus::read::Corpus;
use crate::corpus::{BuildOptions, HoldOut, build};
use crate::tokenizer::Tokenizer;
use proptest::prelude::*;

/// A store of random documents of "a b c ..." words, with some sentence ends.
fn store(lengths: &[usize], share: f64) -> (tempfile::TempDir, Arc<TokenStore>, TokenKinds) {
    let words: Vec<String> = ('a'..='z').map(String::from).chain([".".into()]).collect();
    let train = std::iter::once(Ok(words.join(" ")));
    let tokenizer = Tokenizer::train(train, 32, &TokenizerConfig::default()).unwrap();
    let mut rng = Rng::new(1, Purpose::Order, 0, 0);
    let mut text = |length: &usize| (0..*length).map(|_| words[rng.below(27)].clone()).collect::<Vec<_>>().join(" ");
    let texts = lengths.iter().map(&mut text).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = BuildOptions { hold_out: HoldOut::Share(share), drop_duplicates: false, shard_tokens: 500 };
    build(&Corpus::from_texts("test", texts), &tokenizer, &path, &options, &mut |_| ()).unwrap();
    (directory, Arc::new(TokenStore::open(&path).unwrap()), tokenizer.kinds())
}

fn config(packing: &str, length: usize) -> Config {
    let set = vec![format!("data.packing={packing}"), format!("data.sequence_length={length}")];
    load(&Source { set, ..Source::default() }).unwrap()
}

fn all(store: &TokenStore, tokens: Range<usize>) -> Vec<u32> {
    let mut ids = Vec::new();
    store.read(tokens, &mut ids).unwrap();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Read in order, the windows are the split: nothing is lost, nothing comes twice. That an epoch visits each window
    /// once is the permutation's test.
    #[test]
    fn every_token_occurs_once_an_epoch(
        lengths in prop::collection::vec(1usize..90, 2..60),
        length in 3usize..40,
        packing in prop::sample::select(vec!["packed", "documents"]),
    ) {
        let (_directory, store, kinds) = store(&lengths, 0.2);
        for split in [Split::Train, Split::Valid] {
            let sequences = Sequences::new(store.clone(), split, &config(packing, length), kinds.clone());
            let mut seen = Vec::new();
            for index in 0..sequences.len() {
                let row = sequences.get(index, 0);
                prop_assert!((3..=length).contains(&row.ids.len()));
                prop_assert_eq!(row.second, row.ids.len());
                seen.extend_from_slice(&row.ids[1..row.ids.len() - 1]);
            }
            prop_assert!(seen == all(&store, store.range(split)));
        }
    }
}

/// More documents than one block, against a list made the plain way.
#[test]
fn windows_of_documents_are_found_by_index() {
    let lengths: Vec<usize> = (0..2500).map(|i| 1 + i * 7 % 31).collect();
    let (_directory, store, kinds) = store(&lengths, 0.01);
    let sequences = Sequences::new(store.clone(), Split::Train, &config("documents", 12), kinds);
    let mut expected = Vec::new();
    for document in store.document_range(Split::Train) {
        let tokens = store.document(document);
        let ends = |start: usize| start..tokens.end.min(start + 10);
        expected.extend(tokens.clone().step_by(10).map(ends));
    }
    assert_eq!(sequences.len(), expected.len());
    for (index, window) in expected.into_iter().enumerate() {
        assert_eq!(sequences.window(index), window, "sequence {index}");
    }
}

#[test]
fn examples_of_the_reference_have_two_segments_and_short_targets_in_their_shares() {
    let lengths: Vec<usize> = (0..400).map(|i| 30 + i % 50).collect();
    let (_directory, store, kinds) = store(&lengths, 0.01);
    let special = kinds.special;
    let ends = kinds.sentence_ends.clone();
    let sequences = Sequences::new(store, Split::Train, &config("reference", 24), kinds);
    let (mut total, mut single, mut short, mut at_ends, mut double) = (0, 0, 0, 0, 0);
    for epoch in 0..10 {
        for index in 0..sequences.len() {
            let row = sequences.get(index, epoch);
            assert_eq!(row, sequences.get(index, epoch));
            assert!(row.ids.len() <= 24 && row.ids[0] == special.cls && row.ids.last() == Some(&special.sep));
            if sequences.window(index).len() < 21 {
                continue;
            }
            total += 1;
            let words = row.ids.iter().filter(|&&id| id != special.cls && id != special.sep).count();
            short += usize::from(words < 21);
            if row.second == row.ids.len() {
                single += 1;
            } else {
                double += 1;
                assert_eq!(row.ids[row.second - 1], special.sep);
                at_ends += usize::from(ends.contains(&row.ids[row.second - 2]));
            }
        }
    }
    let share = |count: usize| count as f64 / total as f64;
    // A target of the full length is drawn in one of 20 cases.
    assert!((share(short) - 0.05 * 19.0 / 20.0).abs() < 0.01, "{}", share(short));
    assert!((share(single) - 0.1).abs() < 0.015, "{}", share(single));
    // A window of 21 words has a sentence end, of 27 signs one, in about half of the cases.
    assert!(at_ends * 3 > double, "{at_ends} of {double} at sentence ends");
}

//! The training loader: step k's batches are the same whether the steps before it are made or not.

mod common;

use burn::data::dataloader::DataLoader;
use common::{device, program::directory};
use electra_burn::config::{Source, TokenizerConfig, load};
use electra_burn::corpus::read::Corpus;
use electra_burn::corpus::{BuildOptions, Split, TokenStore, build};
use electra_burn::data::{Cursor, Sequences, TrainLoader};
use electra_burn::tokenizer::Tokenizer;
use std::sync::Arc;

#[test]
fn batch_k_alone_equals_batch_k_of_a_run() {
    let directory = directory();
    let corpus = Corpus::from_texts("embedded", electra_burn::corpus::embedded());
    let tokenizer = Tokenizer::train(corpus.documents(), 1024, &TokenizerConfig::default()).unwrap();
    let path = directory.path().join("store");
    build(&corpus, &tokenizer, &path, &BuildOptions::default(), &mut |_| ()).unwrap();
    let store = Arc::new(TokenStore::open(&path).unwrap());
    for (packing, masking) in [("packed", "token"), ("documents", "whole-word"), ("reference", "span")] {
        let set = [
            format!("data.packing={packing}"),
            format!("data.masking={masking}"),
            "data.batch_size=7".into(),
            "data.sequence_length=40".into(),
            "training.accumulation=2".into(),
        ];
        let config = load(&Source { set: set.into(), ..Source::default() }).unwrap();
        let cursor = Cursor::default();
        let kinds = tokenizer.kinds();
        let sequences = Sequences::new(store.clone(), Split::Train, &config, kinds.clone());
        // From the end of the first pass over the corpus into the second.
        let border = sequences.len() / 14;
        let loader = TrainLoader::new(sequences, &config, &kinds, device("flex"), cursor.clone());
        cursor.set(border - 3..border + 3);
        let run: Vec<_> = loader.iter().map(|item| item.unwrap()).collect();
        assert_eq!(run.len(), 6);
        for (step, seen) in (border - 3..).zip(&run) {
            assert_eq!(seen.step, step + 1);
            let alone = loader.host_batches(step);
            assert_eq!(seen.batches.len(), 2);
            for (seen, alone) in seen.batches.iter().zip(&alone) {
                let ids = |ids: &burn::tensor::Tensor<2, burn::tensor::Int>| {
                    ids.clone().into_data().iter::<i64>().map(|id| id as i32).collect::<Vec<_>>()
                };
                assert_eq!(ids(&seen.input_ids), alone.input_ids, "{packing}, step {step}");
                assert_eq!(ids(&seen.masked_ids), alone.masked_ids, "{packing}, step {step}");
                assert_eq!(seen.token_type_ids.as_ref().map(ids), alone.token_type_ids);
                assert_eq!(alone.token_type_ids.is_some(), packing == "reference");
            }
        }
    }
}

//! The training loader: step k's batches are the same whether the steps before it are made or not, and however they are
//! divided.

use crate::common::backends::CPU;
use crate::common::{device, program::directory};
use burn::data::dataloader::DataLoader;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::train::metric::Adaptor;
use burn::train::{ItemLazy, TrainStep};
use electra_burn::config::{Source, TokenizerConfig, load};
use electra_burn::corpus::read::Corpus;
use electra_burn::corpus::{BuildOptions, Split, TokenStore, build};
use electra_burn::data::{Cursor, HostRows, Sequences, StepBatch, StepLoader, Steps, TrainSteps};
use electra_burn::learner::{Pretrainer, StepResult};
use electra_burn::objective::Tally;
use electra_burn::tokenizer::Tokenizer;
use std::sync::Arc;

/// A store of the embedded corpus with a vocabulary of 1024.
fn store(at: &std::path::Path) -> (Arc<TokenStore>, Tokenizer) {
    let corpus = Corpus::from_texts("embedded", electra_burn::corpus::embedded());
    let tokenizer = Tokenizer::train(corpus.documents(), 1024, &TokenizerConfig::default()).unwrap();
    let path = at.join("store");
    build(&corpus, &tokenizer, &path, &BuildOptions::default(), &mut |_| ()).unwrap();
    (Arc::new(TokenStore::open(&path).unwrap()), tokenizer)
}

/// Losses, and gradients relative to the largest entry of each, or 1.
#[test]
fn four_batches_of_eight_are_one_of_thirty_two() {
    let directory = directory();
    let (store, tokenizer) = store(directory.path());
    let kinds = tokenizer.kinds();
    let device = device(CPU);
    let step = |batch_size: usize, accumulation: usize| {
        let set = vec![
            format!("data.batch_size={batch_size}"),
            format!("training.accumulation={accumulation}"),
            "data.packing=documents".into(),
            "data.sequence_length=40".into(),
            "model.hidden_dropout_prob=0".into(),
            "model.attention_probs_dropout_prob=0".into(),
        ];
        let config = load(&Source { set, ..Source::default() }).unwrap();
        let sequences = Sequences::new(store.clone(), Split::Train, &config, kinds.clone());
        let steps = TrainSteps::new(sequences, &config, &kinds);
        let trainer = Pretrainer::new(&config, &device.clone().autodiff());
        let batches = steps.batches(3).iter().map(|batch| batch.to_device(&device)).collect();
        let output = TrainStep::step(&trainer, StepBatch::new(4, 0, batches));
        let grads = Collect::of(&trainer, &output.grads);
        let seen: Arc<StepResult<Tally>> = output.item.sync().unwrap().adapt();
        let tally = &seen.tally;
        (tally.mlm_loss(), tally.disc_loss(), grads)
    };
    let (one, four) = (step(32, 1), step(8, 4));
    assert!((one.0 - four.0).abs() < 1e-5 && (one.1 - four.1).abs() < 1e-5, "losses differ");
    assert_eq!(one.2.len(), four.2.len());
    assert!(one.2.len() > 50);
    for (a, b) in one.2.iter().zip(&four.2) {
        // In units of the largest entry; what counts as zero is left where the shifts of a whole row cancel each other.
        let scale = a.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-5 * scale, "{a} and {b}, of {scale}");
        }
    }
}

/// The gradients of every parameter on the host.
struct Collect<'a>(&'a GradientsParams, Vec<Vec<f32>>);

impl Collect<'_> {
    fn of(module: &Pretrainer, grads: &GradientsParams) -> Vec<Vec<f32>> {
        let mut collect = Collect(grads, Vec::new());
        module.visit(&mut collect);
        collect.1
    }
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.0.get::<D>(param.id) {
            self.1.push(grad.into_data().iter::<f32>().collect());
        }
    }
}

#[test]
fn batch_k_alone_equals_batch_k_of_a_run() {
    let directory = directory();
    let (store, tokenizer) = store(directory.path());
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
        let steps = Arc::new(TrainSteps::new(sequences, &config, &kinds));
        let loader = StepLoader::new(steps.clone(), device(CPU), cursor.clone());
        cursor.set(border - 3..border + 3);
        let run: Vec<_> = loader.iter().map(|item| item.unwrap()).collect();
        assert_eq!(run.len(), 6);
        for (step, seen) in (border - 3..).zip(&run) {
            assert_eq!(seen.step, step + 1);
            let alone = steps.batches(step);
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

//! What explanations are made of, against cases worked out by hand: integrated gradients, gradients by words, attention weights.

use crate::common::backends::CPU;
use crate::common::{close, small_model};
use burn::tensor::{Device, Int, Tensor, TensorData};
use electra_burn::config::ModelConfig;
use electra_burn::data::{Purpose, Rng};
use electra_burn::explain::{Ends, TOLERANCE, integrated_gradients};
use electra_burn::kernels::{Dropout, StepContext, feed_forward, linear, residual_norm};
use electra_burn::model::{Electra, Init, Inputs};

/// A device that records gradients.
fn recording() -> Device {
    crate::common::device(CPU).autodiff()
}

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, Purpose::Init, 0, 0);
    (0..count).map(|_| rng.truncated_normal()).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

/// Of a linear function a token's attribution is its weights times its change; of a sum of squares the change of its own
/// squares, since nothing is shared between tokens.
#[test]
fn attributions_of_simple_functions_are_those_worked_out_by_hand() {
    let device = recording();
    let ends = Ends { from: vec![0.0, 0.0, 1.0, -1.0, 2.0, 0.5], to: vec![1.0, 2.0, 1.0, 1.0, 0.0, 0.5], tokens: 3 };
    let weights = Tensor::<3>::from_data([[[0.5, -1.0], [2.0, 3.0], [4.0, 7.0]]], &device);
    let found = integrated_gradients(&ends, 1, &device, &|_| Ok(()), |words| {
        let points = words.dims()[0] as i32;
        (words * weights.clone()).sum_dim(2).sum_dim(1).reshape([points])
    })
    .unwrap();
    // 0.5 * 1 - 1 * 2, 2 * 0 + 3 * 2, 4 * -2 + 7 * 0.
    for (found, expected) in found.attributions.iter().zip([-1.5, 6.0, -8.0]) {
        close(*found, expected, 1e-5, "linear");
    }
    assert_eq!(found.steps, 1, "one point is exact for a linear function");

    let found = integrated_gradients(&ends, 1, &device, &|_| Ok(()), |words| {
        let points = words.dims()[0] as i32;
        (words.clone() * words).sum_dim(2).sum_dim(1).reshape([points])
    })
    .unwrap();
    for (found, expected) in found.attributions.iter().zip([5.0, 0.0, -4.0]) {
        close(*found, expected, 1e-5, "squares");
    }

    // (x1 + x2)^4 of one dimension a token shares its change out by the tokens' changes, whatever the order: here 1 to 3.
    let ends = Ends { from: vec![0.0, 0.0], to: vec![0.5, 1.5], tokens: 2 };
    let found = integrated_gradients(&ends, 1, &device, &|_| Ok(()), |words| {
        let points = words.dims()[0] as i32;
        words.sum_dim(1).powi_scalar(4).reshape([points])
    })
    .unwrap();
    close(found.attributions[0], 4.0, 0.05, "a quarter of 16");
    close(found.attributions[1], 12.0, 0.15, "three quarters of 16");
    assert!(found.steps > 1 && found.completeness_error() <= TOLERANCE, "{found:?}");

    // What does not depend on the words has nothing to share out.
    let constant = Tensor::<1>::from_floats([2.0], &device);
    let found =
        integrated_gradients(&ends, 4, &device, &|_| Ok(()), |words| constant.clone().repeat_dim(0, words.dims()[0]))
            .unwrap();
    assert_eq!((found.attributions.as_slice(), found.completeness_error()), (&[0.0, 0.0][..], 0.0));
    for wrong in [Ends { tokens: 0, ..ends.clone() }, Ends { tokens: 3, ..ends.clone() }, Ends { to: vec![], ..ends }] {
        let error =
            integrated_gradients(&wrong, 4, &device, &|_| Ok(()), |words| words.sum_dim(1).flatten(0, 2)).unwrap_err();
        assert!(error.is_wrong_input());
    }
}

fn ids(ids: &[i32], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), device)
}

fn electra_of(model: &ModelConfig, seed: u64, device: &Device) -> Electra {
    Electra::new(model, &mut Init::new(seed, model.initializer_range, model.layer_norm_eps, device))
}

/// The gradient by the words that are put instead of ids against central differences; the words of the ids give what
/// the ids give.
#[test]
fn gradients_of_words_are_those_of_differences() {
    let device = recording();
    let model = small_model();
    let network = electra_of(&model, 5, &device);
    let tokens = [2, 11, 23, 38, 7, 3];
    let input_ids = ids(&tokens, &device);
    let factors = Tensor::<3>::from_data(
        TensorData::new(random(tokens.len() * model.hidden_size, 6), [1, tokens.len(), model.hidden_size]),
        &device,
    );
    let types = ids(&[0, 0, 0, 1, 1, 1], &device);
    let output = |words: Option<Tensor<3>>| {
        let inputs = Inputs { words, token_type_ids: Some(types.clone()), ..Inputs::new(input_ids.clone(), None) };
        (network.forward(inputs, &StepContext::default()) * factors.clone()).sum()
    };
    let words = network.embeddings.word_embeddings.forward(input_ids.clone()).detach();
    let start = values(words.clone());
    assert_eq!(values(output(None)), values(output(Some(words.clone()))));

    let words = words.require_grad();
    let gradient = values(words.grad(&output(Some(words.clone())).backward()).expect("the words have a gradient"));
    let largest = gradient.iter().fold(0f32, |most, value| most.max(value.abs()));
    let shape = [1, tokens.len(), model.embedding_size];
    let step = 5e-3;
    for at in 0..start.len() {
        let moved = |by: f32| {
            let mut words = start.clone();
            words[at] += by;
            values(output(Some(Tensor::from_data(TensorData::new(words, shape), &device))))[0]
        };
        let difference = (moved(step) - moved(-step)) / (2.0 * step);
        // Single precision leaves 1e-6 of outputs near 10, which the step makes 1e-3, beside the error of the formula.
        let what = format!("coordinate {at}, largest {largest}");
        close(f64::from(gradient[at]), f64::from(difference), f64::from(largest) * 0.01 + 5e-3, &what);
    }
}

/// The whole encoder rebuilt from its attention weights gives what the encoder gives, with fused kernels and padding too.
#[test]
fn attention_weights_add_up_to_one_and_reproduce_the_layers() {
    let device = crate::common::device(CPU);
    let model = small_model();
    let network = electra_of(&model, 8, &device);
    let (none, context) = (Dropout::new(0.0), StepContext::default());
    let input_ids = ids(&[2, 11, 23, 38, 7, 3, 0, 0], &device);
    let mask = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]], &device);
    for (input_ids, mask, real) in [(input_ids.clone(), Some(mask), 6), (input_ids, None, 8)] {
        let inputs = Inputs::new(input_ids, mask);
        let maps = network.attentions(inputs.clone(), &context);
        assert_eq!(maps.len(), model.num_hidden_layers);
        let (heads, seq) = (model.num_attention_heads, 8);
        let mut x = linear(
            network.encoder.embeddings_project.as_ref().expect("the sizes differ"),
            network.embeddings.forward(&inputs, &context),
            &context,
        );
        for (layer, weights) in network.encoder.layers.iter().zip(maps) {
            assert_eq!(weights.dims(), [1, heads, seq, seq]);
            for row in values(weights.clone()).chunks(seq) {
                close(f64::from(row.iter().sum::<f32>()), 1.0, 1e-5, "a row of weights");
                assert!(row[real..].iter().all(|weight| *weight == 0.0), "padding is looked at");
            }
            let (attention, width) = (&layer.attention, model.hidden_size / heads);
            let value = linear(&attention.value, x.clone(), &context).reshape([1, seq, heads, width]).swap_dims(1, 2);
            let attended = weights.matmul(value).swap_dims(1, 2).reshape([1, seq, model.hidden_size]);
            let dense = linear(&attention.dense, attended, &context);
            let normal = residual_norm(&attention.layer_norm, model.layer_norm_eps, &none, dense, x, &context);
            let output = feed_forward(&layer.intermediate, &layer.output, normal.clone(), &context);
            x = residual_norm(&layer.layer_norm, model.layer_norm_eps, &none, output, normal, &context);
        }
        let expected = values(network.forward(inputs, &context).narrow(1, 0, real));
        for (found, expected) in values(x.narrow(1, 0, real)).iter().zip(expected) {
            close(f64::from(*found), f64::from(expected), 2e-5, "the last hidden state");
        }
    }
}

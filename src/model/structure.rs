//! Initial weights with which the first layer looks at the neighbours of a token and at the same word elsewhere.
//!
//! Attention must learn where to look before it can learn what is there, and with random weights a small network spends
//! most of a short run on the first. Here positions begin as sines and cosines in dimensions of their own, where words begin
//! as zeros; token types begin as zeros everywhere. One head of the first layer looks at the token before, one at the token after: the query's position is turned
//! by that distance, so that the product with a key is greatest there. Two heads compare words. Everything is trained from
//! there, and the architecture stays as it is. What it gives: `docs/experiments.md`, section 7.

use super::init::wave;
use super::{Embeddings, Encoder};
use crate::config::ModelConfig;
use burn::module::Param;
use burn::tensor::{Tensor, TensorData};

/// The shortest and the longest wavelength of the positions, in tokens.
const WAVELENGTHS: (f64, f64) = (2.5, 200.0);

/// Where the first heads look.
const DISTANCES: [f64; 2] = [-1.0, 1.0];

/// By how much the score of the place that such a head looks at exceeds that of the next one.
const NEIGHBOUR_MARGIN: f64 = 4.0;

/// Heads after these that compare words.
const COMPARING: usize = 2;

/// By how much the score of the same word exceeds that of another one, on average.
const WORD_MARGIN: f64 = 5.0;

/// Rewrites fresh weights of `embeddings` and of the first layer of `encoder`, which has `config.hidden_size` of at least
/// `config.embedding_size` and at least 4 dimensions a head, as the configuration's checks make sure.
pub(super) fn structure(embeddings: &mut Embeddings, encoder: &mut Encoder, config: &ModelConfig) {
    let (embedding, hidden, deviation) = (config.embedding_size, config.hidden_size, config.initializer_range);
    let head = hidden / config.num_attention_heads;
    let frequencies = frequencies(head.min(embedding / 2) / 2);
    // Dimensions of positions, and of words.
    let (places, words) = (2 * frequencies.len(), embedding - 2 * frequencies.len());

    rewrite(&mut embeddings.position_embeddings.weight, |_, row, column| {
        frequencies.get(column / 2).map_or(0.0, |frequency| deviation * wave(row as f64 * frequency, column))
    });
    rewrite(&mut embeddings.word_embeddings.weight, |value, _, column| if column < places { 0.0 } else { value });
    rewrite(&mut embeddings.token_type_embeddings.weight, |_, _, _| 0.0);

    // Rows at right angles, so that what the projection mixes can be told apart again.
    let length = deviation * (hidden as f64).sqrt();
    let project = encoder.embeddings_project.as_mut().map(|project| {
        let rows = orthogonal(values(&project.weight), hidden, length);
        rewrite(&mut project.weight, |_, row, column| rows[row][column]);
        rows
    });
    // The share that dimension `row` of a hidden state has in dimension `column` of the embedding.
    let unmix = |row: usize, column: usize| match &project {
        Some(rows) => rows[column][row] / (length * length),
        None => f64::from(u8::from(row == column)),
    };

    // LayerNorm gives the embeddings a variance of 1: a pair of sine and cosine adds 2 cos(frequency * distance) to a product,
    // and a dimension of a word adds 1 to its product with itself.
    let step: f64 = frequencies.iter().map(|frequency| 2.0 * (1.0 - frequency.cos())).sum();
    let scale = (head as f64).sqrt();
    let turn = (NEIGHBOUR_MARGIN * scale / step).sqrt();
    let compare = (WORD_MARGIN * scale / head.min(words) as f64).sqrt();
    let structured = |weight: &mut Param<Tensor<2>>, distances: [f64; DISTANCES.len()]| {
        rewrite(weight, |value, row, column| {
            let (number, dimension) = (column / head, column % head);
            if let Some(distance) = distances.get(number) {
                let Some(frequency) = frequencies.get(dimension / 2) else { return 0.0 };
                let (sin, cos) = (frequency * distance).sin_cos();
                let (of_sine, of_cosine) = if dimension.is_multiple_of(2) { (cos, sin) } else { (-sin, cos) };
                let sine = dimension - dimension % 2;
                return turn * (unmix(row, sine) * of_sine + unmix(row, sine + 1) * of_cosine);
            }
            match number - distances.len() {
                other if other >= COMPARING => value,
                _ if dimension >= words => 0.0,
                other => compare * unmix(row, places + (other * head + dimension) % words),
            }
        });
    };
    if let Some(layer) = encoder.layers.first_mut() {
        structured(&mut layer.attention.query.weight, DISTANCES);
        structured(&mut layer.attention.key.weight, [0.0; DISTANCES.len()]);
    }
}

/// Of `count` waves in equal ratios, in radians a token.
fn frequencies(count: usize) -> Vec<f64> {
    let (shortest, longest) = WAVELENGTHS;
    let share = |n: usize| n as f64 / (count - 1).max(1) as f64;
    (0..count).map(|n| std::f64::consts::TAU / (shortest * (longest / shortest).powf(share(n)))).collect()
}

/// The rows of a matrix at right angles to each other, each of `length` (modified Gram-Schmidt).
fn orthogonal(values: Vec<f64>, columns: usize, length: f64) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = values.chunks(columns).map(<[f64]>::to_vec).collect();
    for at in 0..rows.len() {
        let (done, rest) = rows.split_at_mut(at);
        let row = &mut rest[0];
        for other in done {
            let share = dot(row, other) / (length * length);
            row.iter_mut().zip(other).for_each(|(value, other)| *value -= share * *other);
        }
        let scale = length / dot(row, row).sqrt();
        row.iter_mut().for_each(|value| *value *= scale);
    }
    rows
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn values(weight: &Param<Tensor<2>>) -> Vec<f64> {
    weight.val().into_data().iter::<f32>().map(f64::from).collect()
}

/// Each value becomes what `new` makes of it, its row and its column.
fn rewrite(weight: &mut Param<Tensor<2>>, new: impl Fn(f64, usize, usize) -> f64) {
    let [rows, columns] = weight.dims();
    let values = values(weight).into_iter().enumerate();
    let values: Vec<f32> = values.map(|(n, value)| new(value, n / columns, n % columns) as f32).collect();
    let tensor = Tensor::from_data(TensorData::new(values, [rows, columns]), &weight.device());
    *weight = Param::from_tensor(tensor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, load};
    use crate::model::{Init, Inputs};
    use burn::tensor::{Device, Int};

    const LENGTH: usize = 100;

    /// The attention of each head of the first layer to words that all differ but for the one at 20, which is at 70 again: a list of rows a
    /// head.
    fn attention(embedding_size: usize, hidden_size: usize, heads: usize, structured: bool) -> Vec<Vec<f32>> {
        let sizes = [("embedding_size", embedding_size), ("hidden_size", hidden_size), ("num_attention_heads", heads)];
        let set = sizes.iter().map(|(key, size)| format!("model.{key}={size}"));
        let set = set.chain(["model.initializer_range=0.1".to_owned()]).collect();
        let config = load(&Source { preset: Some("tiny".into()), set, ..Source::default() }).unwrap().model;
        let device = Device::flex();
        let mut init = Init::new(7, config.initializer_range, config.layer_norm_eps, &device);
        let (mut embeddings, mut encoder) = (Embeddings::new(&config, &mut init), Encoder::new(&config, &mut init));
        if structured {
            structure(&mut embeddings, &mut encoder, &config);
        }
        let word = |at: usize| (if at == 70 { 20 } else { at } * 31 + 100) as i32;
        let ids: Vec<i32> = (0..LENGTH).map(word).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::from(ids.as_slice()), &device).reshape([1, LENGTH]);
        let context = crate::kernels::StepContext::default();
        let weights =
            encoder.attentions(embeddings.forward(&Inputs::new(ids, None), &context), None, &context).remove(0);
        let values: Vec<f32> = weights.into_data().iter::<f32>().collect();
        values.chunks(LENGTH * LENGTH).map(<[f32]>::to_vec).collect()
    }

    /// What a head gives to the place at `distance`, on average.
    fn given(head: &[f32], distance: isize) -> f32 {
        let places = 3..LENGTH - 3;
        let count = places.len() as f32;
        places.map(|at| head[at * LENGTH + at.checked_add_signed(distance).unwrap()]).sum::<f32>() / count
    }

    #[test]
    fn heads_look_at_neighbours_and_at_the_same_word() {
        for (embedding, hidden, heads) in [(64, 128, 4), (128, 128, 4), (64, 256, 4), (128, 256, 8)] {
            let attention = attention(embedding, hidden, heads, true);
            let sizes = format!("{embedding}, {hidden} wide with {heads} heads");
            for (head, distance) in attention.iter().zip([-1, 1]) {
                assert!(given(head, distance) > 0.8, "{} to {distance}; {sizes}", given(head, distance));
            }
            for head in &attention[2..4] {
                let row = &head[20 * LENGTH..21 * LENGTH];
                let (itself, again) = (row[20], row[70]);
                let others = (1.0 - itself - again) / (LENGTH - 2) as f32;
                assert!(itself > 10.0 * others && again > 10.0 * others, "{itself}, {again}, {others}; {sizes}");
            }
        }
    }

    #[test]
    fn random_weights_and_other_heads_look_nowhere() {
        let random = attention(64, 128, 4, false);
        assert!(random.iter().all(|head| given(head, -1) < 0.3 && given(head, 1) < 0.3));
        let (with, without) = (attention(128, 256, 8, true), attention(128, 256, 8, false));
        assert!(with[7] != without[7], "the embeddings are others");
        assert!(given(&with[7], -1) < 0.3 && given(&with[7], 1) < 0.3);
    }
}

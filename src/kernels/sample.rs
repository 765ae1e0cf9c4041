//! Samples from rows of probabilities by inverse CDF, with the uniform numbers given.
//!
//! Gumbel noise would cost one random number and two logarithms for every word of the vocabulary at every picked
//! position; this needs one number a position, drawn on the host, so that all backends draw the same sample. The sum
//! goes over blocks first and then within the one block that is hit: two short cumulative sums instead of one over the
//! vocabulary, which on GPU backends is quadratic in its length.

use burn::tensor::{Int, Tensor};

/// One index a row: `probabilities` `[rows, choices]` (not necessarily normalised), `uniforms` `[rows]` in `[0, 1)`
/// -> `[rows]`, the first index whose cumulative sum exceeds `uniform * total`.
pub fn sample(probabilities: Tensor<2>, uniforms: Tensor<1>) -> Tensor<1, Int> {
    let [rows, choices] = probabilities.dims();
    let width = block_width(choices);
    let blocks = choices.div_ceil(width);
    let missing = blocks * width - choices;
    let probabilities = if missing == 0 {
        probabilities
    } else {
        let padding = Tensor::zeros([rows, missing], &probabilities.device());
        Tensor::cat(vec![probabilities, padding], 1)
    };
    let probabilities = probabilities.reshape([rows, blocks, width]);

    let sums = probabilities.clone().sum_dim(2).reshape([rows, blocks]);
    let upto = sums.clone().cumsum(1);
    let wanted = uniforms.unsqueeze_dim::<2>(1) * upto.clone().slice([0..rows, blocks - 1..blocks]);
    let block = first_above(upto.clone(), wanted.clone());

    let before = (upto - sums).gather(1, block.clone());
    let index = block.clone().unsqueeze_dim::<3>(2).repeat_dim(2, width);
    let inside = probabilities.gather(1, index).reshape([rows, width]).cumsum(1);
    let offset = first_above(inside, wanted - before);
    (block * width as i64 + offset).reshape([rows]).clamp(0, choices as i64 - 1)
}

/// Number of sums in each row that are at most the wanted value, at most the last index: `[rows, n]`, `[rows, 1]` ->
/// `[rows, 1]`.
fn first_above(sums: Tensor<2>, wanted: Tensor<2>) -> Tensor<2, Int> {
    let [_, n] = sums.dims();
    sums.lower_equal(wanted).int().sum_dim(1).clamp(0, n as i64 - 1)
}

/// The divisor of `choices` nearest its square root if one is near, else the root rounded up (which needs padding).
fn block_width(choices: usize) -> usize {
    let root = (choices as f64).sqrt().ceil() as usize;
    (root..=8 * root).find(|&width| choices.is_multiple_of(width)).unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    /// Plain inverse CDF in f64.
    fn expected(row: &[f32], uniform: f32) -> usize {
        let total: f64 = row.iter().map(|&p| f64::from(p)).sum();
        let mut sum = 0.0;
        row.iter()
            .position(|&p| {
                sum += f64::from(p);
                sum > f64::from(uniform) * total
            })
            .unwrap_or(row.len() - 1)
    }

    #[test]
    fn samples_are_the_quantiles() {
        let device = Device::flex();
        let mut rng = crate::data::Rng::new(3, crate::data::Purpose::Mask, 0, 0);
        for choices in [1, 2, 7, 64, 100, 1024, 1031] {
            let rows = 50;
            let values: Vec<f32> = (0..rows * choices).map(|_| (rng.uniform() * 8.0 - 4.0).exp()).collect();
            let uniforms: Vec<f32> = (0..rows).map(|_| rng.uniform()).collect();
            let samples = sample(
                Tensor::from_data(TensorData::new(values.clone(), [rows, choices]), &device),
                Tensor::from_data(TensorData::new(uniforms.clone(), [rows]), &device),
            );
            let samples: Vec<usize> = samples.into_data().iter::<i64>().map(|i| i as usize).collect();
            let off = (0..rows)
                .filter(|&r| samples[r] != expected(&values[r * choices..(r + 1) * choices], uniforms[r]))
                .count();
            // A quantile within rounding of a border may fall on either side; a wrong rule misses nearly all rows.
            assert!(off <= 1, "{off} of {rows} rows with {choices} choices");
        }
    }

    #[test]
    fn a_choice_of_probability_zero_is_never_taken() {
        let device = Device::flex();
        let probabilities = Tensor::<2>::from_data([[0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]], &device);
        let samples = sample(probabilities, Tensor::from_data([0.0, 0.999_999_9], &device));
        assert_eq!(samples.into_data().iter::<i64>().collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn blocks_fit_common_vocabularies() {
        assert_eq!(block_width(8192), 128);
        assert_eq!(block_width(1024), 32);
        assert_eq!(block_width(30522), 175);
    }
}

//! Attention rollout (Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3).
//!
//! A layer passes on the mean of its heads' attention and, by its residual connection, itself: `A = (mean + 1) / 2`. Row
//! `p` of `A_last .. A_first` says how much of each token has come to position `p`, if nothing but attention moved it.

use super::gradients::read;
use crate::error::Result;
use burn::tensor::Tensor;

/// Attention weights by layer, head, query and key.
pub type Maps = Vec<Vec<Vec<Vec<f32>>>>;

/// The share of each token in `position`, one of the queries, after all layers of `maps`; the shares add up to 1.
pub fn rollout(maps: &Maps, position: usize) -> Vec<f64> {
    let tokens = maps.first().and_then(|heads| heads.first()).map_or(position + 1, Vec::len);
    let mut shares = vec![0.0; tokens];
    shares.get_mut(position).into_iter().for_each(|share| *share = 1.0);
    // One row of the product is all that is wanted: from the last layer back, a vector times a matrix.
    for heads in maps.iter().rev() {
        let mut before: Vec<f64> = shares.iter().map(|share| share / 2.0).collect();
        for head in heads {
            for (share, weights) in shares.iter().zip(head) {
                let factor = share / (2.0 * heads.len() as f64);
                before.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += factor * f64::from(*weight));
            }
        }
        shares = before;
    }
    shares
}

/// The weights of a layer, `[1, heads, seq, seq]`, by head, query and key.
pub(super) fn map(weights: Tensor<4>) -> Result<Vec<Vec<Vec<f32>>>> {
    let [_, _, queries, keys] = weights.dims();
    let values = read(weights)?;
    let head = |values: &[f32]| values.chunks(keys).map(<[f32]>::to_vec).collect();
    Ok(values.chunks(queries * keys).map(head).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two layers of two heads on two tokens, multiplied by hand.
    #[test]
    fn layers_are_multiplied_with_the_residual() {
        let first = vec![vec![vec![1.0, 0.0], vec![0.5, 0.5]], vec![vec![0.0, 1.0], vec![0.5, 0.5]]];
        let second = vec![vec![vec![0.0, 1.0], vec![1.0, 0.0]]; 2];
        // A_first = [[.75, .25], [.25, .75]], A_second = [[.5, .5], [.5, .5]].
        assert_eq!(rollout(&vec![first.clone()], 0), [0.75, 0.25]);
        assert_eq!(rollout(&vec![first.clone()], 1), [0.25, 0.75]);
        assert_eq!(rollout(&vec![first, second], 1), [0.5, 0.5]);
        assert_eq!(rollout(&Vec::new(), 1), [0.0, 1.0]);
    }
}

//! The order of features in training: shuffled, but texts of about the same length together, so that little is padding.

use crate::data::{Permutation, Purpose, Rng};

/// Batches whose texts are sorted together: enough that lengths in a batch are nearly equal, few enough that a batch is
/// still a random choice.
const POOL: usize = 32;

/// The batches of pass `epoch` over features of `lengths`, as numbers of features: a pure function of its arguments.
pub fn training_batches(lengths: &[usize], batch_size: usize, seed: u64, epoch: usize) -> Vec<Vec<usize>> {
    let order = Permutation::new(lengths.len(), seed, epoch as u64);
    let shuffled: Vec<usize> = (0..lengths.len()).map(|at| order.get(at)).collect();
    let mut batches = Vec::with_capacity(lengths.len().div_ceil(batch_size));
    for pool in shuffled.chunks(POOL * batch_size) {
        let mut pool = pool.to_vec();
        pool.sort_by_key(|&number| lengths[number]);
        batches.extend(pool.chunks(batch_size).map(<[usize]>::to_vec));
    }
    // Without this the steps of a pool would go from short texts to long ones.
    Rng::new(seed, Purpose::Order, epoch as u64, 1).shuffle(&mut batches);
    batches
}

/// All features, those of about the same length together.
pub fn batches_by_length(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut numbers: Vec<usize> = (0..lengths.len()).collect();
    numbers.sort_by_key(|&number| lengths[number]);
    numbers.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_feature_comes_once_in_a_pass(lengths in prop::collection::vec(1usize..60, 1..500), size in 1usize..40, seed: u64) {
            let batches = training_batches(&lengths, size, seed, 3);
            prop_assert_eq!(batches.len(), lengths.len().div_ceil(size));
            let mut all = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            prop_assert_eq!(&batches, &training_batches(&lengths, size, seed, 3));
        }
    }

    #[test]
    fn little_is_padding_and_batches_are_no_fixed_groups() {
        let mut rng = Rng::new(1, Purpose::Mask, 0, 0);
        let lengths: Vec<usize> = (0..4000).map(|_| 5 + rng.below(100)).collect();
        let batches = training_batches(&lengths, 16, 7, 0);
        let padded: usize = batches.iter().map(|b| b.len() * b.iter().map(|&n| lengths[n]).max().unwrap()).sum();
        let real: usize = lengths.iter().sum();
        assert!(padded as f64 / (real as f64) < 1.05, "{padded} for {real}");
        let partners = |epoch| {
            let batches = training_batches(&lengths, 16, 7, epoch);
            let mut of = batches.into_iter().find(|batch| batch.contains(&0)).unwrap();
            of.sort_unstable();
            of
        };
        assert_ne!(partners(0), partners(1));
    }
}

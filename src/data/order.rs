//! The order of the sequences in a pass over the corpus: a permutation computed item by item.
//!
//! A four-round Feistel network on the smallest even number of bits that holds `n`, walked until it lands below `n`
//! (Black and Rogaway, CT-RSA 2002). Memory is O(1), and step k needs none of the steps before it; the price is about
//! two network evaluations an item, nanoseconds beside a training step.

use super::rng::{Purpose, Rng};

/// A permutation of `0..n` that is a pure function of (seed, epoch).
#[derive(Debug, Clone)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// The permutation of pass `epoch` over `n` items.
    pub fn new(n: usize, seed: u64, epoch: u64) -> Self {
        let n = n as u64;
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let mut rng = Rng::new(seed, Purpose::Order, epoch, 0);
        Self { n, half_bits: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| rng.next_u64()) }
    }

    /// The item at place `index`; `index` must be below `n`.
    pub fn get(&self, index: usize) -> usize {
        let mut at = index as u64;
        debug_assert!(at < self.n);
        loop {
            at = self.round_trip(at);
            if at < self.n {
                return at as usize;
            }
        }
    }

    fn round_trip(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for key in self.keys {
            let mixed = (right ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (left, right) = (right, left ^ ((mixed ^ (mixed >> 32)) & mask));
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_bijection(n in 1usize..3000, seed: u64, epoch in 0u64..100) {
            let order = Permutation::new(n, seed, epoch);
            let mut seen = vec![false; n];
            for i in 0..n {
                let item = order.get(i);
                prop_assert!(!std::mem::replace(&mut seen[item], true), "{item} comes twice");
            }
        }
    }

    #[test]
    fn epochs_differ_and_the_order_is_not_the_corpus_order() {
        let take = |epoch| (0..1000).map(|i| Permutation::new(1000, 42, epoch).get(i)).collect::<Vec<_>>();
        let (first, second) = (take(0), take(1));
        assert_ne!(first, second);
        let neighbours = first.windows(2).filter(|w| w[1] == w[0] + 1).count();
        assert!(neighbours < 10, "{neighbours} of 999 neighbours stayed together");
    }
}

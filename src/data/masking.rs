//! Which positions of a sequence are picked for prediction, and what the generator sees there.
//!
//! The reference draws positions with replacement, so that a duplicate counts twice and two samples are averaged into
//! a meaningless id (`pretrain_helpers.py`); this draws without. All draws are made on the host.

use super::rng::Rng;

/// How positions are masked.
#[derive(Debug, Clone)]
pub struct Masking {
    /// Share of the real tokens that is picked.
    pub mask_probability: f64,
    /// Share of the picked tokens that becomes `[MASK]` in the generator's input; the others stay.
    pub replace_probability: f64,
    /// Ids that are never picked: `[CLS]`, `[SEP]`, `[MASK]` and padding.
    pub excluded: Vec<u32>,
}

/// One picked position of a sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// Position in the sequence.
    pub position: usize,
    /// Whether the generator sees `[MASK]` there.
    pub masked: bool,
    /// Uniform in `[0, 1)`: the generator's sample is this quantile of its distribution.
    pub uniform: f32,
}

impl Masking {
    /// Picks positions of a sequence whose real tokens are `tokens` (padding left out), in ascending order.
    ///
    /// `max(1, round(mask_probability * tokens.len()))` positions, `[CLS]` and `[SEP]` counted as the reference does,
    /// and at most as many as there are candidates.
    pub fn draw(&self, tokens: &[u32], rng: &mut Rng) -> Vec<Pick> {
        let mut candidates: Vec<usize> =
            (0..tokens.len()).filter(|&position| !self.excluded.contains(&tokens[position])).collect();
        let wanted = (self.mask_probability * tokens.len() as f64).round().max(1.0) as usize;
        let count = wanted.min(candidates.len());
        for i in 0..count {
            let other = i + rng.below(candidates.len() - i);
            candidates.swap(i, other);
        }
        candidates.truncate(count);
        candidates.sort_unstable();
        candidates
            .into_iter()
            .map(|position| Pick {
                position,
                masked: f64::from(rng.uniform()) < self.replace_probability,
                uniform: rng.uniform(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::{Purpose, Rng};
    use super::*;
    use proptest::prelude::*;

    fn masking(mask_probability: f64) -> Masking {
        Masking { mask_probability, replace_probability: 0.85, excluded: vec![0, 2, 3, 4] }
    }

    proptest! {
        #[test]
        fn picks_are_distinct_candidates_in_the_right_number(
            tokens in prop::collection::vec(0u32..40, 1..200),
            probability in 0.01f64..1.0,
            seed: u64,
        ) {
            let picks = masking(probability).draw(&tokens, &mut Rng::new(seed, Purpose::Mask, 0, 0));
            let candidates = tokens.iter().filter(|id| ![0, 2, 3, 4].contains(*id)).count();
            let wanted = ((probability * tokens.len() as f64).round() as usize).max(1);
            prop_assert_eq!(picks.len(), wanted.min(candidates));
            prop_assert!(picks.windows(2).all(|w| w[0].position < w[1].position), "sorted, so without repetition");
            for pick in &picks {
                prop_assert!(![0, 2, 3, 4].contains(&tokens[pick.position]), "a special token was picked");
                prop_assert!((0.0..1.0).contains(&pick.uniform));
            }
        }

        #[test]
        fn the_same_key_gives_the_same_picks(tokens in prop::collection::vec(5u32..40, 1..100), seed: u64, step: u64, row in 0u64..64) {
            let draw = || masking(0.15).draw(&tokens, &mut Rng::new(seed, Purpose::Mask, step, row));
            prop_assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn shares_hold_over_many_sequences() {
        let tokens: Vec<u32> = std::iter::once(2).chain((0..126).map(|i| 5 + i)).chain([3]).collect();
        let (mut picked, mut masked) = (0, 0);
        let mut at = vec![0usize; tokens.len()];
        for row in 0..5_000 {
            let picks = masking(0.15).draw(&tokens, &mut Rng::new(1, Purpose::Mask, 0, row));
            assert_eq!(picks.len(), 19);
            picked += picks.len();
            masked += picks.iter().filter(|p| p.masked).count();
            picks.iter().for_each(|p| at[p.position] += 1);
        }
        let share = masked as f64 / picked as f64;
        assert!((share - 0.85).abs() < 0.005, "{share}");
        assert_eq!((at[0], at[127]), (0, 0));
        // 19 of 126 candidates: 754 expected a position, deviation 25; five deviations.
        assert!(at[1..127].iter().all(|&n| (625..=883).contains(&n)), "{at:?}");
    }
}

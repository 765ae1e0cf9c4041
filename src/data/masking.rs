//! Which positions of a sequence are picked for prediction, and what the generator sees there.
//!
//! The reference draws positions with replacement, so that a duplicate counts twice and two samples are averaged into
//! a meaningless id (`pretrain_helpers.py`); this draws without. All draws are made on the host.

use super::rng::Rng;
use crate::config::{DataConfig, MaskingUnit};
use crate::tokenizer::TokenKinds;
use std::ops::Range;
use std::sync::Arc;

/// How positions are masked.
#[derive(Debug, Clone)]
pub struct Masking {
    /// Share of the real tokens that is picked.
    pub mask_probability: f64,
    /// Share of the picked tokens that becomes `[MASK]` in the generator's input; the others stay.
    pub replace_probability: f64,
    /// Ids that are never picked: `[CLS]`, `[SEP]`, `[MASK]` and padding.
    pub excluded: Vec<u32>,
    /// What is picked as one.
    pub unit: MaskingUnit,
    /// For every id whether the token continues a word; only looked at where words are picked.
    pub continues: Arc<[bool]>,
}

/// Probability that a span ends with a word, and its longest length in words (SpanBERT, section 3.1).
const SPAN: (f32, usize) = (0.2, 10);

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
    /// The masking that is configured, for a vocabulary.
    pub fn new(config: &DataConfig, kinds: &TokenKinds) -> Self {
        let special = kinds.special;
        Self {
            mask_probability: config.mask_probability,
            replace_probability: config.replace_probability,
            excluded: vec![special.pad, special.cls, special.sep, special.mask],
            unit: config.masking,
            continues: kinds.continues.clone(),
        }
    }

    /// Picks positions of a sequence whose real tokens are `tokens` (padding left out), in ascending order.
    ///
    /// `max(1, round(mask_probability * tokens.len()))` positions, `[CLS]` and `[SEP]` counted as the reference does,
    /// and at most as many as there are candidates. Words and spans of words stop short of that number rather than
    /// exceed it, unless every word is longer.
    pub fn draw(&self, tokens: &[u32], rng: &mut Rng) -> Vec<Pick> {
        let wanted = (self.mask_probability * tokens.len() as f64).round().max(1.0) as usize;
        let mut positions = match self.unit {
            MaskingUnit::Token => self.single(tokens, wanted, rng),
            MaskingUnit::WholeWord => self.whole_words(tokens, wanted, rng),
            MaskingUnit::Span => self.spans(tokens, wanted, rng),
            MaskingUnit::Last => self.last(tokens),
        };
        positions.sort_unstable();
        positions
            .into_iter()
            .map(|position| Pick {
                position,
                masked: f64::from(rng.uniform()) < self.replace_probability,
                uniform: rng.uniform(),
            })
            .collect()
    }

    fn single(&self, tokens: &[u32], wanted: usize, rng: &mut Rng) -> Vec<usize> {
        let mut candidates: Vec<usize> =
            (0..tokens.len()).filter(|&position| !self.excluded.contains(&tokens[position])).collect();
        let count = wanted.min(candidates.len());
        for i in 0..count {
            let other = i + rng.below(candidates.len() - i);
            candidates.swap(i, other);
        }
        candidates.truncate(count);
        candidates
    }

    fn last(&self, tokens: &[u32]) -> Vec<usize> {
        (0..tokens.len()).rfind(|&position| !self.excluded.contains(&tokens[position])).into_iter().collect()
    }

    fn whole_words(&self, tokens: &[u32], wanted: usize, rng: &mut Rng) -> Vec<usize> {
        let mut words = self.words(tokens);
        let mut positions = Vec::new();
        for i in 0..words.len() {
            let other = i + rng.below(words.len() - i);
            words.swap(i, other);
            if positions.len() + words[i].len() <= wanted {
                positions.extend(words[i].clone());
            }
            if positions.len() == wanted {
                break;
            }
        }
        or_shortest(positions, words)
    }

    fn spans(&self, tokens: &[u32], wanted: usize, rng: &mut Rng) -> Vec<usize> {
        let words = self.words(tokens);
        let mut taken = vec![false; words.len()];
        let mut positions = Vec::new();
        // Where few words are left, most draws hit taken ones; after some of them in a row the rest stays.
        let mut misses = 0;
        while !words.is_empty() && positions.len() < wanted && misses < 20 {
            let length = 1 + (1..SPAN.1).take_while(|_| rng.uniform() >= SPAN.0).count();
            let first = rng.below(words.len());
            let before = positions.len();
            for at in first..words.len().min(first + length) {
                let adjacent = at == first || words[at - 1].end == words[at].start;
                if taken[at] || !adjacent || positions.len() + words[at].len() > wanted {
                    break;
                }
                taken[at] = true;
                positions.extend(words[at].clone());
            }
            misses = if positions.len() > before { 0 } else { misses + 1 };
        }
        or_shortest(positions, words)
    }

    /// The words that may be picked, as ranges of positions. A piece at the start of a window whose word began before it
    /// counts as a word.
    fn words(&self, tokens: &[u32]) -> Vec<Range<usize>> {
        let mut words: Vec<Range<usize>> = Vec::new();
        for (position, id) in tokens.iter().enumerate().filter(|(_, id)| !self.excluded.contains(id)) {
            let continues = self.continues.get(*id as usize).copied().unwrap_or(false);
            match words.last_mut() {
                Some(word) if continues && word.end == position => word.end += 1,
                _ => words.push(position..position + 1),
            }
        }
        words
    }
}

/// At least one position is predicted: where no word fits, the shortest one is.
fn or_shortest(positions: Vec<usize>, words: Vec<Range<usize>>) -> Vec<usize> {
    if !positions.is_empty() {
        return positions;
    }
    words.into_iter().min_by_key(|word| (word.len(), word.start)).into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::rng::{Purpose, Rng};
    use super::*;
    use proptest::prelude::*;

    fn masking(mask_probability: f64) -> Masking {
        with_unit(mask_probability, MaskingUnit::Token)
    }

    /// Ids from 30 on continue words.
    fn with_unit(mask_probability: f64, unit: MaskingUnit) -> Masking {
        let continues = (0..40).map(|id| id >= 30).collect();
        Masking { mask_probability, replace_probability: 0.85, excluded: vec![0, 2, 3, 4], unit, continues }
    }

    fn words_are_whole(tokens: &[u32], picks: &[Pick]) -> bool {
        let picked = |at: usize| picks.iter().any(|p| p.position == at);
        (1..tokens.len()).all(|at| {
            let joined = tokens[at] >= 30 && ![0, 2, 3, 4].contains(&tokens[at - 1]);
            !joined || picked(at) == picked(at - 1)
        })
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
        fn words_and_spans_are_never_cut(
            tokens in prop::collection::vec(0u32..40, 1..200),
            probability in 0.01f64..1.0,
            seed: u64,
            span: bool,
        ) {
            let unit = if span { MaskingUnit::Span } else { MaskingUnit::WholeWord };
            let masking = with_unit(probability, unit);
            let picks = masking.draw(&tokens, &mut Rng::new(seed, Purpose::Mask, 0, 0));
            let words = masking.words(&tokens);
            let wanted = ((probability * tokens.len() as f64).round() as usize).max(1);
            let shortest = words.iter().map(Range::len).min().unwrap_or(0);
            prop_assert!(picks.len() <= wanted.max(shortest));
            prop_assert_eq!(picks.is_empty(), words.is_empty());
            prop_assert!(picks.windows(2).all(|w| w[0].position < w[1].position));
            prop_assert!(picks.iter().all(|p| ![0, 2, 3, 4].contains(&tokens[p.position])));
            prop_assert!(words_are_whole(&tokens, &picks));
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

    #[test]
    fn the_last_token_is_picked_alone() {
        let tokens: Vec<u32> = std::iter::once(2).chain(5..25).chain([3]).collect();
        let positions = |tokens: &[u32]| -> Vec<usize> {
            let picks = with_unit(0.25, MaskingUnit::Last).draw(tokens, &mut Rng::new(3, Purpose::Mask, 0, 1));
            picks.iter().map(|pick| pick.position).collect()
        };
        assert_eq!(positions(&tokens), [20]);
        assert!(positions(&[2, 3]).is_empty());
    }

    /// Three words of four have one token, the fourth two.
    #[test]
    fn words_and_spans_keep_their_shares_and_lengths() {
        let body = (0..125).map(|i| if i % 5 == 4 { 30 + i % 10 } else { 5 + i % 25 });
        let tokens: Vec<u32> = std::iter::once(2).chain(body).chain([3]).collect();
        for (unit, low) in [(MaskingUnit::WholeWord, 18.9), (MaskingUnit::Span, 18.7)] {
            let (mut picked, mut masked, mut runs) = (0, 0, 0);
            for row in 0..4_000 {
                let picks = with_unit(0.15, unit).draw(&tokens, &mut Rng::new(2, Purpose::Mask, 0, row));
                picked += picks.len();
                masked += picks.iter().filter(|p| p.masked).count();
                runs += 1 + picks.windows(2).filter(|w| w[1].position != w[0].position + 1).count();
            }
            let (mean, run) = (f64::from(picked as u32) / 4_000.0, picked as f64 / runs as f64);
            assert!((low..=19.0).contains(&mean), "{unit:?}: {mean} of 19");
            let share = masked as f64 / picked as f64;
            assert!((share - 0.85).abs() < 0.01, "{share}");
            // Words have 1.25 tokens and sometimes touch; a span has up to ten words, cut by what is left to pick.
            let expected = if unit == MaskingUnit::Span { 3.0..6.0 } else { 1.25..1.8 };
            assert!(expected.contains(&run), "{unit:?}: runs of {run} tokens");
        }
    }
}

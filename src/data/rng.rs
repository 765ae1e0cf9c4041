//! Random numbers as a pure function of (seed, purpose, step, row): nothing to save, nothing to drift on resume.
//!
//! SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over a key that absorbs the four words. A crate's generator would
//! not do: none of them promises the same stream in its next version, and order and masks must not change.

/// What a stream of random numbers is for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights.
    Init = 1,
    /// Order of the sequences in a pass over the corpus.
    Order = 2,
    /// Picked positions, what the generator sees there, and its samples.
    Mask = 3,
    /// The same for validation.
    Validation = 4,
    /// What a device draws itself: dropout.
    Device = 5,
    /// Lengths and segments of the reference's examples.
    Segments = 6,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream of (`seed`, `purpose`, `step`, `row`).
    pub fn new(seed: u64, purpose: Purpose, step: u64, row: u64) -> Self {
        let words = [seed, purpose as u64, step, row];
        Self(words.into_iter().fold(0, |key, word| mix(key.wrapping_add(GOLDEN) ^ mix(word.wrapping_add(GOLDEN)))))
    }

    /// 64 uniform bits that are a pure function of `key` and `number`: a stream that can be entered anywhere.
    pub fn mixed(key: u64, number: u64) -> u64 {
        mix(mix(key.wrapping_add(number.wrapping_add(1).wrapping_mul(GOLDEN))))
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24, so that it is exact in `f32`.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `0..n`, by multiplication (bias below n / 2^64); `n` must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|at| items.swap(at, self.below(at + 1)));
    }

    /// Normal with mean 0 and deviation 1, cut at two deviations by drawing again (Box-Muller).
    pub fn truncated_normal(&mut self) -> f32 {
        loop {
            let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
            let value = radius * (std::f64::consts::TAU * f64::from(self.uniform())).cos();
            if value.abs() <= 2.0 {
                return value as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values: they must never change, or resumed runs would see other data.
    #[test]
    fn the_stream_is_pinned() {
        let mut rng = Rng::new(42, Purpose::Mask, 7, 3);
        let words: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(words, [16_675_549_653_055_539_320, 7_955_827_312_236_484_596, 6_251_859_140_820_144_956]);
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let first = |seed, purpose, step, row| Rng::new(seed, purpose, step, row).next_u64();
        let all = [
            first(1, Purpose::Mask, 2, 3),
            first(2, Purpose::Mask, 2, 3),
            first(1, Purpose::Order, 2, 3),
            first(1, Purpose::Mask, 3, 2),
            first(1, Purpose::Mask, 2, 4),
        ];
        let mut unique = all.to_vec();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
    }

    #[test]
    fn draws_have_the_right_moments() {
        let mut rng = Rng::new(1, Purpose::Init, 0, 0);
        let n = 200_000;
        let normal: Vec<f64> = (0..n).map(|_| f64::from(rng.truncated_normal())).collect();
        let mean = normal.iter().sum::<f64>() / n as f64;
        let variance = normal.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(normal.iter().all(|x| x.abs() <= 2.0));
        assert!(mean.abs() < 0.01, "{mean}");
        // Variance of a standard normal cut at two deviations: 0.7737.
        assert!((variance - 0.7737).abs() < 0.01, "{variance}");

        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
    }
}

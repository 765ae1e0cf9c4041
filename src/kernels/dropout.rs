//! Dropout whose masks are a pure function of (seed, step, place in the step, element) on CPU backends.
//!
//! Burn draws masks from one stream of the process, one number after the other under a lock; that took a sixth of a
//! training step on two cores. Here an element's number is a hash of its place, so that kernels compute masks where
//! they need them, forwards and back, on all cores, and store none. On other devices the device draws.

use super::context::StepContext;
use super::math::vectorized;
use crate::data::Rng;
use crate::device::computes_on_host;
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rayon::prelude::*;

/// Sets elements to zero with a probability while a model is trained, and scales the others up.
#[derive(Module, Debug)]
pub struct Dropout {
    #[module(skip)]
    probability: f64,
}

impl Dropout {
    /// Dropout of so large a share.
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// The next mask of `context`; absent where nothing is dropped, because the device records no gradients, nothing is trained or the
    /// probability is 0.
    pub(super) fn mask(&self, device: &Device, context: &StepContext) -> Option<Mask> {
        if self.probability <= 0.0 || !device.is_autodiff() {
            return None;
        }
        let (key, number) = context.next_mask()?;
        Some(Mask::new(self.probability, Rng::mixed(key, number)))
    }

    /// Active where `context` is that of training and the device of `x` records gradients.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, context: &StepContext) -> Tensor<D> {
        let device = x.device();
        if self.probability > 0.0 && device.is_autodiff() && !computes_on_host(&device) {
            let Some((key, number)) = context.next_mask() else { return x };
            // The device draws, and is seeded by the first mask of a stream: with none there is nothing to seed.
            if number == 0 {
                device.seed(key);
            }
            let kept = 1.0 - self.probability;
            let mask = x.random_like(Distribution::Bernoulli(kept));
            return x * mask * (1.0 / kept);
        }
        match self.mask(&device, context) {
            Some(mask) => {
                let factors = TensorData::new(mask.factors(x.shape().num_elements()), x.shape());
                x * Tensor::from_data(factors, &device)
            }
            None => x,
        }
    }
}

/// A mask: a factor for every element, 0 or what keeps the mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    key: [u32; 2],
    /// Hashes below it are dropped.
    threshold: u32,
    kept: f32,
}

/// Elements of a mask that are computed at a time.
const CHUNK: usize = 1 << 14;

impl Mask {
    fn new(probability: f64, key: u64) -> Self {
        let threshold = (probability * 2f64.powi(32)).round().min(f64::from(u32::MAX)) as u32;
        Self { key: [key as u32, (key >> 32) as u32], threshold, kept: (1.0 / (1.0 - probability)) as f32 }
    }

    /// The factor of an element: two rounds of a 32-bit mixer of multiplications and shifts (Wellons, "hash prospector",
    /// 2018), with half of the key before each.
    #[inline(always)]
    pub(super) fn factor(self, element: u32) -> f32 {
        let mut x = element ^ self.key[0];
        x ^= x >> 16;
        x = x.wrapping_mul(0x7feb_352d);
        x ^= x >> 15;
        x = x.wrapping_add(self.key[1]).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        x = x.wrapping_mul(0x7feb_352d);
        x ^= x >> 15;
        if x < self.threshold { 0.0 } else { self.kept }
    }

    /// The factors of the first `len` elements.
    fn factors(self, len: usize) -> Vec<f32> {
        let mut factors = vec![1.0; len];
        factors.par_chunks_mut(CHUNK).enumerate().for_each(|(number, values)| self.scale(values, number * CHUNK));
        factors
    }

    /// `values` times their factors; they begin with element `first`.
    pub(super) fn scale(self, values: &mut [f32], first: usize) {
        scale(self, values, first as u32);
    }

    /// `out = values` times their factors, beginning with element `first`.
    pub(super) fn apply(self, out: &mut [f32], values: &[f32], first: usize) {
        apply(self, out, values, first as u32);
    }

    /// `out += values` times their factors, beginning with element `first`.
    pub(super) fn add(self, out: &mut [f32], values: &[f32], first: usize) {
        add(self, out, values, first as u32);
    }
}

vectorized! {
    fn scale(mask: Mask, values: &mut [f32], first: u32) {
        for (value, at) in values.iter_mut().zip(0u32..) {
            *value *= mask.factor(first.wrapping_add(at));
        }
    }
}

vectorized! {
    fn apply(mask: Mask, out: &mut [f32], values: &[f32], first: u32) {
        for ((out, value), at) in out.iter_mut().zip(values).zip(0u32..) {
            *out = value * mask.factor(first.wrapping_add(at));
        }
    }
}

vectorized! {
    fn add(mask: Mask, out: &mut [f32], values: &[f32], first: u32) {
        for ((out, value), at) in out.iter_mut().zip(values).zip(0u32..) {
            *out += value * mask.factor(first.wrapping_add(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Precision;

    fn factors(len: usize, probability: f64, key: u64) -> Vec<f32> {
        Mask::new(probability, Rng::mixed(key, 0)).factors(len)
    }

    #[test]
    fn shares_and_mean_are_right_and_masks_differ() {
        let share =
            |dropped: &dyn Fn(usize) -> bool| (0..1 << 20).filter(|&i| dropped(i)).count() as f64 / (1 << 20) as f64;
        for key in 0..20 {
            let (one, other) = (factors((1 << 20) + 512, 0.1, key), factors((1 << 20) + 512, 0.1, key + 1000));
            // Five deviations of a share of 0.1, and of 0.01, over a million.
            let zeros = share(&|i| one[i] == 0.0);
            assert!((zeros - 0.1).abs() < 0.0015, "{zeros}");
            let mean = one[..1 << 20].iter().map(|&value| f64::from(value)).sum::<f64>() / (1 << 20) as f64;
            assert!((mean - 1.0).abs() < 0.0017, "{mean}");
            let both = share(&|i| one[i] == 0.0 && other[i] == 0.0);
            assert!((both - 0.01).abs() < 0.0005, "{both}");
            // Neighbours along a row, and in rows of usual lengths.
            for distance in [1, 2, 16, 64, 128, 256, 512] {
                let both = share(&|i| one[i] == 0.0 && one[i + distance] == 0.0);
                assert!((both - 0.01).abs() < 0.0005, "distance {distance}: {both}");
                let both = share(&|i| one[i] == 0.0 && other[i + distance] == 0.0);
                assert!((both - 0.01).abs() < 0.0005, "distance {distance} in another mask: {both}");
            }
        }
    }

    #[test]
    fn a_mask_depends_on_key_and_place_alone() {
        let long = factors(3 * CHUNK + 5, 0.3, 7);
        assert_eq!(long[..CHUNK + 3], factors(CHUNK + 3, 0.3, 7));
        let mask = Mask::new(0.3, Rng::mixed(7, 0));
        let mut inside = vec![1.0; 100];
        mask.scale(&mut inside, CHUNK - 50);
        assert_eq!(inside, long[CHUNK - 50..CHUNK + 50]);
        let first = StepContext::training(Precision::Auto, 5);
        assert_eq!([first.next_mask(), first.next_mask()], [Some((5, 0)), Some((5, 1))]);
        assert_eq!(StepContext::training(Precision::Auto, 5).next_mask(), Some((5, 0)));
        assert_eq!(StepContext::default().next_mask(), None);
    }
}

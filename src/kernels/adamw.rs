//! AdamW (Loshchilov and Hutter, 2019): Adam with bias correction and decoupled weight decay.
//!
//! Fused: one pass over parameter, gradient and both moments. The state is that of Burn's AdamW, record for record.

use burn::optim::{self, AdamWConfig, AdamWState, LearningRate, Optimizer};
use burn::tensor::{Bool, Device, Tensor};
use std::cell::RefCell;

thread_local! {
    static CONDITION: RefCell<Option<Tensor<1, Bool>>> = const { RefCell::new(None) };
}

/// Runs `work` with updates of this thread that take place only where `condition` `[1]` holds, which the device decides,
/// so that the host need not wait for it. The count of steps for the bias correction continues in any case.
pub fn conditionally<R>(condition: Tensor<1, Bool>, work: impl FnOnce() -> R) -> R {
    /// Ends the condition, after a panic too.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            CONDITION.take();
        }
    }
    let _end = End;
    CONDITION.replace(Some(condition));
    work()
}

/// The optimizer.
#[derive(Clone)]
pub struct AdamW {
    portable: optim::AdamW,
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
}

impl AdamW {
    /// `m = beta_1 m + (1 - beta_1) g`, `v = beta_2 v + (1 - beta_2) g^2`, and with the corrected moments
    /// `w = w (1 - rate weight_decay) - rate m / (sqrt(v) + epsilon)`.
    pub fn new(beta_1: f64, beta_2: f64, epsilon: f64, weight_decay: f64) -> Self {
        let [beta_1, beta_2, epsilon, weight_decay] = [beta_1, beta_2, epsilon, weight_decay].map(|value| value as f32);
        let portable = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay)
            .build();
        Self { portable, beta_1, beta_2, epsilon, weight_decay }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        #[cfg(feature = "flex")]
        if !super::is_portable()
            && let Some(operands) = fused::Operands::of(&tensor, &gradient, state.as_ref())
        {
            // The state is given up, so that its numbers can be written to where they are.
            drop(state);
            return operands.step(self, rate);
        }
        let Some(condition) = CONDITION.with_borrow(Clone::clone) else {
            return self.portable.step(rate, tensor, gradient, state);
        };
        let shape = tensor.dims();
        let condition = condition.reshape([1; D]).expand(shape);
        let before = state.as_ref().map(|state| [&state.momentum.moment_1, &state.momentum.moment_2].map(Clone::clone));
        let [first, second] = before.unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        let (updated, state) = self.portable.step(rate, tensor.clone(), gradient, state);
        let state = state.map(|AdamWState { mut momentum }| {
            momentum.moment_1 = first.mask_where(condition.clone(), momentum.moment_1);
            momentum.moment_2 = second.mask_where(condition.clone(), momentum.moment_2);
            AdamWState { momentum }
        });
        (tensor.mask_where(condition, updated), state)
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

#[cfg(feature = "flex")]
mod fused {
    use super::AdamW;
    use crate::kernels::host::{Operand, Values, plain, uninitialised};
    use crate::kernels::math::vectorized;
    use burn::optim::{AdamWState, AdaptiveMomentumState};
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    /// Parameters that a thread updates at a time.
    const CHUNK: usize = 1 << 14;

    /// What a step reads.
    pub(super) struct Operands {
        weights: Values,
        gradients: Values,
        /// Steps before this one.
        time: usize,
        moments: [Values; 2],
    }

    impl Operands {
        /// Absent where one of them is not a single-precision tensor of the flex backend.
        pub(super) fn of<const D: usize>(
            weights: &Tensor<D>,
            gradients: &Tensor<D>,
            state: Option<&AdamWState<D>>,
        ) -> Option<Self> {
            let values = |tensor: &Tensor<D>| Some(Operand::of(tensor.clone())?.values);
            let weights = values(weights)?;
            let (time, moments) = match state.map(|state| &state.momentum) {
                Some(momentum) => (momentum.time, [values(&momentum.moment_1)?, values(&momentum.moment_2)?]),
                None => (0, [(); 2].map(|()| Values::new(vec![0.0; weights.len()], weights.shape()))),
            };
            Some(Self { gradients: values(gradients)?, weights, time, moments })
        }

        pub(super) fn step<const D: usize>(self, adamw: &AdamW, rate: f64) -> (Tensor<D>, Option<AdamWState<D>>) {
            let Self { weights, gradients, time, moments: [mut first, mut second] } = self;
            let time = time + 1;
            let factors = Factors {
                betas: [adamw.beta_1, adamw.beta_2],
                corrections: [adamw.beta_1, adamw.beta_2].map(|beta| 1.0 / (1.0 - beta.powi(time as i32))),
                epsilon: adamw.epsilon,
                rate: rate as f32,
                kept: (1.0 - rate * f64::from(adamw.weight_decay)) as f32,
            };
            let mut updated = uninitialised(weights.len());
            (
                updated.par_chunks_mut(CHUNK),
                first.as_mut().par_chunks_mut(CHUNK),
                second.as_mut().par_chunks_mut(CHUNK),
                weights.par_chunks(CHUNK),
                gradients.par_chunks(CHUNK),
            )
                .into_par_iter()
                .for_each(|(updated, first, second, weights, gradients)| {
                    update(updated, first, second, weights, gradients, factors);
                });
            let momentum = AdaptiveMomentumState::new(time, plain(first), plain(second));
            (plain(Values::new(updated, weights.shape())), Some(AdamWState::new(momentum)))
        }
    }

    /// Zero for what is too small to move a weight. The moments of rare words decay at every step; a thousand steps after
    /// the last gradient they would be subnormal numbers, which processors handle many times slower.
    #[inline(always)]
    fn flushed(moment: f32) -> f32 {
        if moment.abs() < 1e-35 { 0.0 } else { moment }
    }

    #[derive(Clone, Copy)]
    struct Factors {
        betas: [f32; 2],
        /// What the moments are multiplied by against their start at zero.
        corrections: [f32; 2],
        epsilon: f32,
        rate: f32,
        /// What weight decay leaves.
        kept: f32,
    }

    vectorized! {
        fn update(
            updated: &mut [f32],
            first: &mut [f32],
            second: &mut [f32],
            weights: &[f32],
            gradients: &[f32],
            factors: Factors,
        ) {
            let Factors { betas: [beta_1, beta_2], corrections, epsilon, rate, kept } = factors;
            let [correction_1, correction_2] = corrections;
            let moments = first.iter_mut().zip(second);
            for ((updated, (first, second)), (weight, gradient)) in
                updated.iter_mut().zip(moments).zip(weights.iter().zip(gradients))
            {
                *first = flushed(*first * beta_1 + gradient * (1.0 - beta_1));
                *second = flushed(*second * beta_2 + gradient * gradient * (1.0 - beta_2));
                let step = *first * correction_1 / ((*second * correction_2).sqrt() + epsilon);
                *updated = weight * kept - step * rate;
            }
        }
    }
}

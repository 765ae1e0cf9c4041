//! Whether a device trains as another does.

use super::Stream;
use crate::config::Config;
use crate::device::Adapter;
use crate::error::{Error, Result};
use crate::learner::{Pretrainer, StepResult, WarmupLinear, optimizer, update};
use crate::objective::Tally;
use burn::train::metric::Adaptor;
use burn::train::{ItemLazy, Learner};
use std::sync::Arc;

/// The losses of generator and discriminator in the first `steps` steps of `config` on random tokens. They are the same
/// numbers on every device, but for rounding, where nothing draws dropout.
///
/// # Errors
/// The device's, as [`Error::Backend`].
pub fn first_losses(config: &Config, adapter: &Adapter, steps: usize) -> Result<Vec<[f64; 2]>> {
    let failed = |error: &dyn std::fmt::Display| Error::backend(format!("{adapter}: {error}"));
    let device = &adapter.device;
    let stream = Stream::new(config, 0.0);
    let model = Pretrainer::new(config, &device.clone().autodiff());
    let mut learner = Learner::new(model, optimizer(&config.optimizer), WarmupLinear::new(config));
    let mut losses = Vec::with_capacity(steps);
    for step in 0..steps {
        let seen = update(&mut learner, stream.step(step, device), config.optimizer.max_grad_norm);
        let seen = seen.and_then(ItemLazy::sync).map_err(|error| failed(&error))?;
        let seen: Arc<StepResult<Tally>> = seen.adapt();
        losses.push([seen.tally.mlm_loss(), seen.tally.disc_loss()]);
    }
    Ok(losses)
}

/// The largest difference of two lists of losses, for each of the two losses, in units of the loss where that is above 1.
pub fn largest_differences(found: &[[f64; 2]], expected: &[[f64; 2]]) -> [f64; 2] {
    std::array::from_fn(|which| {
        let differences =
            found.iter().zip(expected).map(|(f, e)| (f[which] - e[which]).abs() / e[which].abs().max(1.0));
        // A loss that is no number differs from all others.
        differences.fold(0.0, |worst, next| if next > worst || next.is_nan() { next } else { worst })
    })
}

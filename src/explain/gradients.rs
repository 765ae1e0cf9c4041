//! Integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, section 3).
//!
//! For an output `F` of embeddings `x` and those of a baseline `b` a token's attribution is
//! `sum over its dimensions of (x - b) * integral over 0 <= a <= 1 of dF/dx (b + a (x - b))`, and the attributions of all
//! tokens add up to `F(x) - F(b)`. The integral is a sum at Gauss-Legendre points, which for a network, smooth but for
//! single precision, needs fewer points than equal steps do.

use super::GoOn;
use super::quadrature::gauss_legendre;
use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;

/// How far, as a share of the difference of outputs, the sum of attributions may be from it.
pub const TOLERANCE: f64 = 0.01;

/// Most points of a path that are tried.
pub const MAX_STEPS: usize = 512;

/// Tokens in one pass: enough to keep a device busy, few enough for the memory of small ones.
const BATCH_TOKENS: usize = 2048;

/// A pass of fewer tokens is hardly done sooner than one of so many: the weights take their time.
const SHORT: usize = 32;

/// How many passes forwards of one point take as long as `points` of `tokens` tokens forwards and back.
pub(super) fn passes(points: usize, tokens: usize) -> u32 {
    3 * (points * tokens).div_ceil(tokens.max(SHORT)) as u32
}

/// Below this share of the attributions' sizes their sum is what single precision leaves of terms that cancel.
const CANCELLED: f64 = 1e-3;

/// A straight line between two texts' embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ends {
    /// The baseline, `[tokens, width]`.
    pub from: Vec<f32>,
    /// The text, alike.
    pub to: Vec<f32>,
    /// Number of tokens.
    pub tokens: usize,
}

/// What the path adds to an output, shared out among the tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Integral {
    /// One number a token.
    pub attributions: Vec<f64>,
    /// At the end of the path.
    pub output: f64,
    /// At its beginning.
    pub baseline_output: f64,
    /// Points at which the gradient was taken.
    pub steps: usize,
}

impl Integral {
    /// Sum of the attributions.
    pub fn attributed(&self) -> f64 {
        self.attributions.iter().sum()
    }

    /// How far the sum of the attributions is from the difference of the outputs, as a share of that; where the difference
    /// is nothing but what is left of attributions a thousand times its size, as a share of a thousandth of those.
    pub fn completeness_error(&self) -> f64 {
        let difference = self.output - self.baseline_output;
        let sizes: f64 = self.attributions.iter().map(|attribution| attribution.abs()).sum();
        let scale = difference.abs().max(CANCELLED * sizes);
        let off = (self.attributed() - difference).abs();
        if off == 0.0 { 0.0 } else { off / scale.max(f64::MIN_POSITIVE) }
    }
}

/// Shares `output` out along the path between `ends`, at first with `steps` points, which are doubled up to [`MAX_STEPS`]
/// until the attributions add up to [`TOLERANCE`].
///
/// `output` makes a number of each point: `[points, tokens, width]` -> `[points]`. `device` records gradients. `go_on` is
/// asked before the passes of every step; its error ends the work.
///
/// # Errors
/// [`Error::Usage`] for no points at all, and for a path whose ends differ in size; those of `go_on` and of the device.
pub fn integrated_gradients(
    ends: &Ends,
    steps: usize,
    device: &Device,
    go_on: GoOn,
    output: impl Fn(Tensor<3>) -> Tensor<1>,
) -> Result<Integral> {
    let Ends { from, to, tokens } = ends;
    if steps == 0 || *tokens == 0 || from.len() != to.len() || from.len() % tokens != 0 {
        return Err(Error::Usage("a path needs a point, and two ends of the same whole number of tokens".into()));
    }
    let begun = Instant::now();
    let outputs = read(output(ends.points(&[0.0, 1.0], device)))?;
    // Of two points; one takes half as long, if it is not short.
    let pass = if 2 * tokens > SHORT { begun.elapsed() / 2 } else { begun.elapsed() };
    let go_on = |points: usize| go_on(pass * passes(points, *tokens));
    let mut integral = Integral {
        attributions: Vec::new(),
        output: f64::from(outputs[1]),
        baseline_output: f64::from(outputs[0]),
        steps,
    };
    loop {
        go_on(integral.steps)?;
        integral.attributions = ends.integrate(integral.steps, device, &go_on, &output)?;
        // NaN is no reason to go on.
        if integral.completeness_error() > TOLERANCE && integral.steps * 2 <= MAX_STEPS {
            integral.steps *= 2;
        } else {
            return Ok(integral);
        }
    }
}

impl Ends {
    /// The points at `places` of 0 to 1, `[places, tokens, width]`.
    fn points(&self, places: &[f64], device: &Device) -> Tensor<3> {
        let ends = || self.from.iter().zip(&self.to);
        let point = |&place: &f64| ends().map(move |(from, to)| (1.0 - place as f32) * from + place as f32 * to);
        let values: Vec<f32> = places.iter().flat_map(point).collect();
        let shape = [places.len(), self.tokens, self.from.len() / self.tokens];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn integrate(
        &self,
        steps: usize,
        device: &Device,
        go_on: &dyn Fn(usize) -> Result<()>,
        output: impl Fn(Tensor<3>) -> Tensor<1>,
    ) -> Result<Vec<f64>> {
        let width = self.from.len() / self.tokens;
        let mut attributions = vec![0.0; self.tokens];
        for nodes in gauss_legendre(steps).chunks((BATCH_TOKENS / self.tokens).max(1)) {
            go_on(nodes.len())?;
            let places: Vec<f64> = nodes.iter().map(|(place, _)| *place).collect();
            let words = self.points(&places, device).require_grad();
            let outputs = output(words.clone());
            // What does not depend on the words has no gradient, and they no part in it.
            let gradient = if outputs.is_tracked() { words.grad(&outputs.sum().backward()) } else { None };
            let Some(gradient) = gradient else { continue };
            let gradient = read(gradient)?;
            for ((_, weight), of_point) in nodes.iter().zip(gradient.chunks(self.from.len())) {
                for (token, attribution) in attributions.iter_mut().enumerate() {
                    let dimensions = token * width..(token + 1) * width;
                    let change = |at: usize| f64::from(self.to[at] - self.from[at]) * f64::from(of_point[at]);
                    *attribution += weight * dimensions.map(change).sum::<f64>();
                }
            }
        }
        Ok(attributions)
    }
}

/// The numbers of a tensor.
pub(super) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().map_err(Error::backend)?;
    Ok(data.iter::<f32>().collect())
}

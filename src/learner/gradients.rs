//! The gradients of a step: their norm, its parts, and clipping.

use crate::device::computes_on_host;
use crate::kernels::square_sum;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{ExecutionError, Tensor};
use std::collections::BTreeMap;

/// Squared norms of tensors, `[1]` each, with their paths in the module.
pub(super) type Squares = Vec<(String, Tensor<1>)>;

/// Gradients that were clipped.
pub(super) struct Clipped {
    pub grads: GradientsParams,
    /// The norm before, `[1]`.
    pub norm: Tensor<1>,
    /// The squared norm of each parameter's gradient.
    pub squares: Squares,
}

/// Scales `grads` so that their norm, over all parameters of `module` together, is at most `max_norm`; also returns the
/// norm before, `[1]`. Burn's own clipping goes by tensor; this is `clip_by_global_norm` of the reference, with the
/// 1e-6 that PyTorch adds to the norm.
pub fn clip_to_norm<M: Module>(module: &M, grads: GradientsParams, max_norm: f64) -> (GradientsParams, Tensor<1>) {
    let Clipped { grads, norm, .. } = clip(module, grads, max_norm, 1.0);
    (grads, norm)
}

/// Like [`clip_to_norm`], but also divides the gradients by `scale`.
pub(super) fn clip<M: Module>(module: &M, mut grads: GradientsParams, max_norm: f64, scale: f64) -> Clipped {
    let shrink = (1.0 / (scale * scale)) as f32;
    let squares = square_sums(module, Some(&grads), shrink);
    let Some(sum) = squares.iter().map(|(_, square)| square.clone()).reduce(|sum, square| sum + square) else {
        let norm = Tensor::zeros([1], &module.devices()[0].clone().inner());
        return Clipped { grads, norm, squares };
    };
    let norm = sum.sqrt();
    let factor = (norm.clone() + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0).mul_scalar(1.0 / scale);
    // Where the factor can be looked at for nothing, a pass over all gradients is saved if it is 1.
    let is_one = computes_on_host(&norm.device()) && factor.to_data().iter::<f32>().all(|factor| factor == 1.0);
    if !is_one {
        module.visit(&mut Scale { grads: &mut grads, factor });
    }
    Clipped { grads, norm, squares }
}

/// Makes every gradient NaN, for tests of what happens then.
pub(super) fn poison<M: Module>(module: &M, grads: &mut GradientsParams) {
    let nan = Tensor::full([1], f32::NAN, &module.devices()[0].clone().inner());
    module.visit(&mut Scale { grads, factor: nan });
}

/// The norms from the squared norms by parameter, those of a layer or a head together.
///
/// # Errors
/// The device's.
pub(super) fn norms_by_block(squares: Squares) -> Result<BTreeMap<String, f64>, ExecutionError> {
    let (paths, tensors): (Vec<String>, Vec<Tensor<1>>) = squares.into_iter().unzip();
    if tensors.is_empty() {
        return Ok(BTreeMap::new());
    }
    let squares = Tensor::cat(tensors, 0).try_into_data()?;
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (path, square) in paths.iter().zip(squares.iter::<f32>()) {
        // As far as the number of a layer, or two names where there is none; those of variants of an enum are no names.
        let parts: Vec<&str> = path.split('.').filter(|part| !part.starts_with(char::is_uppercase)).collect();
        let number = parts.iter().position(|part| part.parse::<usize>().is_ok());
        let block = parts[..number.map_or(2, |at| at + 1).min(parts.len())].join(".");
        *sums.entry(block).or_default() += f64::from(square);
    }
    Ok(sums.into_iter().map(|(block, sum)| (block, sum.sqrt())).collect())
}

/// The norms by block of the weights of `model`, without autodiff, and of the gradients whose squared norms are `gradients`, in one
/// transfer from the device.
///
/// # Errors
/// The device's.
pub(super) fn norms<M: Module>(model: &M, gradients: Squares) -> Result<Vec<(String, f64)>, ExecutionError> {
    let named = |what: &str, squares: Squares| {
        let name = |(path, square)| (format!("{what}/{path}"), square);
        squares.into_iter().map(name).collect::<Squares>()
    };
    let squares = [named("weights", square_sums(model, None, 1.0)), named("gradients", gradients)].concat();
    Ok(norms_by_block(squares)?.into_iter().collect())
}

/// Takes squared norms, of gradients or else of the weights themselves.
struct SquareSums<'a> {
    grads: Option<&'a GradientsParams>,
    /// What squares are multiplied by.
    shrink: f32,
    path: Vec<String>,
    squares: Squares,
}

/// The squared norm of each gradient of `module` in `grads`, times `shrink`; of each parameter without gradients.
fn square_sums<M: Module>(module: &M, grads: Option<&GradientsParams>, shrink: f32) -> Squares {
    let mut sums = SquareSums { grads, shrink, path: Vec::new(), squares: Vec::new() };
    module.visit(&mut sums);
    sums.squares
}

impl ModuleVisitor for SquareSums<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = match self.grads {
            Some(grads) => grads.get::<D>(param.id),
            None => Some(param.val()),
        };
        if let Some(values) = values {
            let square = square_sum(&values);
            let square = if self.shrink == 1.0 { square } else { square * self.shrink };
            self.squares.push((self.path.join("."), square));
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.grads.register::<D>(param.id, grad * factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    #[derive(Module, Debug)]
    struct Net {
        layers: Vec<Linear>,
    }

    #[test]
    fn norms_are_by_block() {
        let device = crate::device::select("flex").unwrap().device;
        let linear = |factor: f64| {
            let linear = LinearConfig::new(2, 2).with_bias(false).init(&device);
            Linear { weight: linear.weight.map(|weight| weight.zeros_like() + factor), bias: None }
        };
        let model = Net { layers: vec![linear(1.0), linear(3.0)] };
        let square = |value: f32| Tensor::from_data([value], &device);
        let gradients = vec![("layers.0.weight".to_owned(), square(9.0)), ("layers.0.bias".to_owned(), square(16.0))];
        let found = norms(&model, gradients).unwrap();
        let expected = [("gradients/layers.0", 5.0), ("weights/layers.0", 2.0), ("weights/layers.1", 6.0)];
        assert_eq!(found, expected.map(|(name, norm)| (name.to_owned(), norm)));
    }
}

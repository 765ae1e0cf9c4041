//! The squared norm of a tensor.

use burn::tensor::Tensor;

/// Sum of the squares, `[1]`, without gradients.
pub fn square_sum<const D: usize>(values: &Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if !super::is_portable()
        && let Some(sum) = fused::square_sum(values)
    {
        return sum;
    }
    values.clone().square().sum()
}

#[cfg(feature = "flex")]
mod fused {
    use crate::kernels::host::Operand;
    use crate::kernels::math::{sum, vectorized};
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    /// Numbers that a thread adds up at a time.
    const CHUNK: usize = 1 << 14;

    pub(super) fn square_sum<const D: usize>(values: &Tensor<D>) -> Option<Tensor<1>> {
        let device = values.device();
        let values = Operand::of(values.clone())?.values;
        let parts: Vec<f32> = values.par_chunks(CHUNK).map(squares).collect();
        let total: f64 = parts.into_iter().map(f64::from).sum();
        Some(Tensor::from_data([total as f32], &device))
    }

    vectorized! {
        fn squares(values: &[f32]) -> f32 {
            sum(values.len(), |i| values[i] * values[i])
        }
    }
}

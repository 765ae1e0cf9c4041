//! Real tokens laid end to end, so that padding costs nothing where the kernels can do without it.

use crate::kernels::{AttentionMask, are_fused};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use std::sync::Arc;

/// Which tokens of a padded batch are real.
pub(super) struct Packing {
    shape: [usize; 2],
    /// Real tokens of each sequence.
    lengths: Arc<[usize]>,
    /// `row * seq + position` of each real token.
    tokens: Tensor<1, Int>,
}

impl Packing {
    /// Absent where the device's kernels need rectangles, and where there is nothing to leave out or nothing to keep.
    pub(super) fn new(x: &Tensor<3>, attention_mask: &Tensor<2>) -> Option<Self> {
        if !are_fused(&x.device()) {
            return None;
        }
        let shape @ [rows, seq] = attention_mask.dims();
        let real: Vec<bool> = attention_mask.to_data().iter::<f32>().map(|real| real != 0.0).collect();
        let tokens: Vec<usize> = (0..real.len()).filter(|&at| real[at]).collect();
        if tokens.is_empty() || tokens.len() == real.len() {
            return None;
        }
        let length = |row: usize| real[row * seq..(row + 1) * seq].iter().filter(|&&real| real).count();
        let lengths = (0..rows).map(length).collect();
        Some(Self { shape, lengths, tokens: numbers(tokens, &x.device()) })
    }

    /// `[batch, seq, width]` -> `[1, tokens, width]`.
    pub(super) fn pack(&self, x: Tensor<3>) -> Tensor<3> {
        let ([rows, seq], [_, _, width]) = (self.shape, x.dims());
        x.reshape([rows * seq, width]).select(0, self.tokens.clone()).unsqueeze::<3>()
    }

    /// `[1, tokens, width]` -> `[batch, seq, width]`, zeros at padding.
    pub(super) fn unpack(&self, x: Tensor<3>) -> Tensor<3> {
        let ([rows, seq], [_, count, width]) = (self.shape, x.dims());
        let zeros = Tensor::zeros([rows * seq, width], &x.device());
        let x = x.reshape([count, width]);
        zeros.select_assign(0, self.tokens.clone(), x, IndexingUpdateOp::Add).reshape([rows, seq, width])
    }

    /// Where the sequences begin among the packed tokens, `[batch]`.
    pub(super) fn firsts(&self) -> Tensor<1, Int> {
        let begins = self.lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end - length)
        });
        numbers(begins, &self.tokens.device())
    }

    /// What a packed token may attend to.
    pub(super) fn mask(&self) -> AttentionMask {
        AttentionMask::Lengths(self.lengths.clone())
    }
}

/// Numbers of tokens, on `device`.
pub(super) fn numbers(values: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.into_iter().map(|value| value as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device.clone().inner())
}

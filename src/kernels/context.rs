//! What the operations of a step depend on beside their operands.

use super::is_portable;
use crate::config::Precision;
use electra_matmul::{Format, has_bf16};
use std::cell::Cell;

/// The format of products, the form of kernels, and the stream of dropout's masks. Whoever runs a network makes one and passes it
/// down, so that nothing depends on earlier calls.
#[derive(Debug)]
pub struct StepContext {
    precision: Precision,
    portable: bool,
    /// The key of the stream of masks, and how many were drawn; absent where nothing is dropped.
    masks: Option<Cell<(u64, u64)>>,
}

impl StepContext {
    /// For a training step. The masks depend on `key` and on their order alone.
    pub fn training(precision: Precision, key: u64) -> Self {
        Self { masks: Some(Cell::new((key, 0))), ..Self::inference(precision) }
    }

    /// Without dropout.
    pub fn inference(precision: Precision) -> Self {
        Self { precision, portable: is_portable(), masks: None }
    }

    /// Format of the operands of products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether the operands of products stay in single precision.
    pub fn is_single(&self) -> bool {
        matches!(self.precision, Precision::Auto | Precision::F32 | Precision::TF32)
    }

    /// Whether operations take their fused form where a device has one.
    pub fn is_fused(&self) -> bool {
        !self.portable && (self.is_single() || self.precision == Precision::BF16)
    }

    /// What the fused kernels round the operands of products to: what the step asks for, where the processor has it.
    pub(super) fn format(&self) -> Format {
        if self.precision == Precision::BF16 && has_bf16() { Format::BF16 } else { Format::F32 }
    }

    /// The key of the stream of masks and the number of the next mask; absent where nothing is dropped.
    pub(super) fn next_mask(&self) -> Option<(u64, u64)> {
        let masks = self.masks.as_ref()?;
        let (key, number) = masks.get();
        masks.set((key, number + 1));
        Some((key, number))
    }
}

/// Without dropout, in single precision.
impl Default for StepContext {
    fn default() -> Self {
        Self::inference(Precision::Auto)
    }
}

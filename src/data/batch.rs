//! A batch: on the host as plain vectors, on a device as tensors.

use super::masking::Masking;
use super::rng::Rng;
use super::sequences::Row;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::sync::Arc;

/// What a batch counts; the losses are averaged over these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Picked positions.
    pub picked: usize,
    /// Real tokens, `[CLS]` and `[SEP]` included, padding not.
    pub tokens: usize,
}

/// Where the generator's samples at the picked positions come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Draws {
    /// Its distribution, at these quantiles in `[0, 1)`.
    Quantiles(Vec<f32>),
    /// They are given, to follow another program's path.
    Ids(Vec<i32>),
}

/// A batch of masked sequences on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostBatch {
    /// Number of sequences and their padded length.
    pub shape: [usize; 2],
    /// Original ids, `[batch, seq]`.
    pub input_ids: Vec<i32>,
    /// Ids that the generator sees, `[batch, seq]`.
    pub masked_ids: Vec<i32>,
    /// 1 for the tokens of second segments, else 0, `[batch, seq]`; absent where there is none.
    pub token_type_ids: Option<Vec<i32>>,
    /// 1 for real tokens and 0 for padding, `[batch, seq]`; absent where nothing is padded.
    pub attention_mask: Option<Vec<f32>>,
    /// Picked positions, `row * seq + position`, ascending.
    pub picked: Vec<i32>,
    /// The generator's samples at the picked positions.
    pub draws: Draws,
    /// What the losses are averaged over.
    pub counts: Counts,
}

impl HostBatch {
    /// Masks `rows`, each of one or more ids, pads them to the longest with `pad_id`, and puts `mask_id` where the
    /// generator sees `[MASK]`. `rng(row)` is the stream of random numbers of a row.
    pub fn new(rows: &[Row], masking: &Masking, mask_id: u32, pad_id: u32, rng: impl Fn(usize) -> Rng) -> Self {
        let seq = rows.iter().map(|row| row.ids.len()).max().unwrap_or(0);
        let shape = [rows.len(), seq];
        let mut input_ids = vec![pad_id as i32; rows.len() * seq];
        let (mut picked, mut uniforms, mut masked) = (Vec::new(), Vec::new(), Vec::new());
        for (row, Row { ids, .. }) in rows.iter().enumerate() {
            for (at, &id) in input_ids[row * seq..].iter_mut().zip(ids) {
                *at = id as i32;
            }
            for pick in masking.draw(ids, &mut rng(row)) {
                picked.push((row * seq + pick.position) as i32);
                uniforms.push(pick.uniform);
                masked.push(pick.masked);
            }
        }
        let mut masked_ids = input_ids.clone();
        for (&position, _) in picked.iter().zip(&masked).filter(|(_, masked)| **masked) {
            masked_ids[position as usize] = mask_id as i32;
        }
        let padded = rows.iter().any(|row| row.ids.len() < seq);
        let attention_mask =
            padded.then(|| rows.iter().flat_map(|row| (0..seq).map(|at| f32::from(at < row.ids.len()))).collect());
        let paired = rows.iter().any(|row| row.second < row.ids.len());
        let second = |row: &Row, at: usize| i32::from((row.second..row.ids.len()).contains(&at));
        let token_type_ids =
            paired.then(|| rows.iter().flat_map(|row| (0..seq).map(move |at| second(row, at))).collect());
        let counts = Counts { picked: picked.len(), tokens: rows.iter().map(|row| row.ids.len()).sum() };
        Self {
            shape,
            input_ids,
            masked_ids,
            token_type_ids,
            attention_mask,
            picked,
            draws: Draws::Quantiles(uniforms),
            counts,
        }
    }

    /// Copies the batch to `device`.
    pub fn to_device(&self, device: &Device) -> Batch {
        let shape = self.shape;
        let ids = |ids: &[i32]| Tensor::<2, Int>::from_data(TensorData::new(ids.to_vec(), shape), device);
        Batch {
            input_ids: ids(&self.input_ids),
            masked_ids: ids(&self.masked_ids),
            token_type_ids: self.token_type_ids.as_deref().map(ids),
            attention_mask: self
                .attention_mask
                .as_ref()
                .map(|mask| Tensor::from_data(TensorData::new(mask.clone(), shape), device)),
            real: self.attention_mask.as_ref().map(|mask| mask.iter().map(|&m| m > 0.0).collect()),
            picked: Tensor::from_data(TensorData::new(self.picked.clone(), [self.picked.len()]), device),
            samples: match &self.draws {
                Draws::Quantiles(at) => {
                    Samples::Quantiles(Tensor::from_data(TensorData::new(at.clone(), [at.len()]), device))
                }
                Draws::Ids(ids) => Samples::Ids(Tensor::from_data(TensorData::new(ids.clone(), [ids.len()]), device)),
            },
            counts: self.counts,
        }
    }
}

/// [`Draws`] on a device.
#[derive(Debug, Clone)]
pub enum Samples {
    /// Quantiles of the generator's distribution, `[picked]`.
    Quantiles(Tensor<1>),
    /// Given ids, `[picked]`.
    Ids(Tensor<1, Int>),
}

/// A batch of masked sequences on a device.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Original ids, `[batch, seq]`.
    pub input_ids: Tensor<2, Int>,
    /// Ids that the generator sees, `[batch, seq]`.
    pub masked_ids: Tensor<2, Int>,
    /// 1 for the tokens of second segments, else 0, `[batch, seq]`; absent where there is none.
    pub token_type_ids: Option<Tensor<2, Int>>,
    /// 1 for real tokens and 0 for padding, `[batch, seq]`; absent where nothing is padded.
    pub attention_mask: Option<Tensor<2>>,
    /// The same on the host, flat, for the metrics.
    pub real: Option<Arc<[bool]>>,
    /// Picked positions, `row * seq + position`, `[picked]`.
    pub picked: Tensor<1, Int>,
    /// The generator's samples at the picked positions.
    pub samples: Samples,
    /// What the losses are averaged over.
    pub counts: Counts,
}

/// What one optimizer step, or one batch of a validation, works on.
#[derive(Debug, Clone)]
pub struct StepBatch<B = Batch> {
    /// The step that these batches are for, from 1; in a validation the steps done so far.
    pub step: usize,
    /// The batches whose gradients are added.
    pub batches: Vec<B>,
}

impl StepBatch {
    /// Counts over all batches.
    pub fn counts(&self) -> Counts {
        self.batches.iter().fold(Counts::default(), |sum, batch| Counts {
            picked: sum.picked + batch.counts.picked,
            tokens: sum.tokens + batch.counts.tokens,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Purpose;
    use super::*;

    #[test]
    fn rows_are_masked_padded_and_counted() {
        let rows = [Row { ids: vec![2, 10, 11, 12, 3, 14, 15, 3], second: 5 }, vec![2, 20, 3].into()];
        let masking = Masking {
            mask_probability: 0.5,
            replace_probability: 0.5,
            excluded: vec![0, 2, 3, 4],
            unit: Default::default(),
            continues: [].into(),
        };
        let rng = |row| Rng::new(5, Purpose::Mask, 1, row as u64);
        let batch = HostBatch::new(&rows, &masking, 4, 0, rng);

        assert_eq!(batch.shape, [2, 8]);
        assert_eq!(batch.input_ids, [2, 10, 11, 12, 3, 14, 15, 3, 2, 20, 3, 0, 0, 0, 0, 0]);
        // Half of 8 is 4; half of 3 rounds to 2, but only one candidate is there.
        assert_eq!(batch.counts, Counts { picked: 5, tokens: 11 });
        assert_eq!(batch.token_type_ids, Some(vec![0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(batch.picked.last(), Some(&9));
        let mask = batch.attention_mask.as_ref().unwrap();
        assert_eq!(mask.iter().sum::<f32>(), 11.0);
        assert_eq!(mask[10..12], [1.0, 0.0]);
        for (at, (&before, &after)) in batch.input_ids.iter().zip(&batch.masked_ids).enumerate() {
            let picked = batch.picked.contains(&(at as i32));
            assert!(before == after || (picked && after == 4), "position {at}: {before} became {after}");
        }
    }
}

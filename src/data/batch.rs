//! A batch: on the host as plain vectors, on a device as tensors.

use super::masking::Masking;
use super::rng::Rng;
use super::sequences::Row;
use super::sum_order::{SumOrder, wants_order};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// What a batch counts; the losses are averaged over these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Picked positions; of a task the rows, positions or values that it asks about.
    pub picked: usize,
    /// Real tokens, `[CLS]` and `[SEP]` included, padding not.
    pub tokens: usize,
}

/// A batch, on the host or on a device.
pub trait Counted {
    /// What it counts.
    fn counts(&self) -> Counts;
}

/// A batch on the host, whose rows can be shared out.
pub trait HostRows: Counted + Send + 'static {
    /// The same on a device.
    type Batch: Send + 'static;

    /// How many rows.
    fn rows(&self) -> usize;

    /// These of its rows, padded as they were.
    fn of_rows(&self, rows: Range<usize>) -> Self;

    /// Copies the batch to `device`.
    fn to_device(&self, device: &Device) -> Self::Batch;
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
    /// Whether gradients are added in a fixed order on GPUs too.
    pub deterministic: bool,
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
            deterministic: false,
        }
    }
}

impl Counted for HostBatch {
    fn counts(&self) -> Counts {
        self.counts
    }
}

impl HostRows for HostBatch {
    type Batch = Batch;

    fn rows(&self) -> usize {
        self.shape[0]
    }

    fn of_rows(&self, rows: Range<usize>) -> Self {
        let seq = self.shape[1];
        let places = rows.start * seq..rows.end * seq;
        let is_real = |at: usize| self.attention_mask.as_ref().is_none_or(|mask| mask[at] > 0.0);
        let first = self.picked.partition_point(|&at| (at as usize) < places.start);
        let end = self.picked.partition_point(|&at| (at as usize) < places.end);
        let picked: Vec<i32> = self.picked[first..end].iter().map(|&at| at - places.start as i32).collect();
        Self {
            shape: [rows.len(), seq],
            input_ids: self.input_ids[places.clone()].into(),
            masked_ids: self.masked_ids[places.clone()].into(),
            token_type_ids: self.token_type_ids.as_ref().map(|ids| ids[places.clone()].into()),
            attention_mask: self.attention_mask.as_ref().map(|mask| mask[places.clone()].into()),
            draws: match &self.draws {
                Draws::Quantiles(at) => Draws::Quantiles(at[first..end].into()),
                Draws::Ids(ids) => Draws::Ids(ids[first..end].into()),
            },
            counts: Counts { picked: picked.len(), tokens: places.filter(|&at| is_real(at)).count() },
            picked,
            deterministic: self.deterministic,
        }
    }

    fn to_device(&self, device: &Device) -> Batch {
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
            is_picked: is_picked(&self.picked, self.input_ids.len()),
            picked: Tensor::from_data(TensorData::new(self.picked.clone(), [self.picked.len()]), device),
            samples: match &self.draws {
                Draws::Quantiles(at) => {
                    Samples::Quantiles(Tensor::from_data(TensorData::new(at.clone(), [at.len()]), device))
                }
                Draws::Ids(ids) => Samples::Ids(Tensor::from_data(TensorData::new(ids.clone(), [ids.len()]), device)),
            },
            orders: wants_order(device, self.deterministic).then(|| Orders {
                masked_ids: SumOrder::new(numbers(&self.masked_ids), device),
                picked: SumOrder::new(numbers(&self.picked), device),
            }),
            counts: self.counts,
        }
    }
}

/// Whether each of `positions` is among `picked`.
fn is_picked(picked: &[i32], positions: usize) -> Arc<[bool]> {
    let mut is_picked = vec![false; positions];
    picked.iter().for_each(|&at| is_picked[at as usize] = true);
    is_picked.into()
}

fn numbers(ids: &[i32]) -> impl Iterator<Item = usize> + Clone {
    ids.iter().map(|&id| id as usize)
}

/// In which order the gradients of what a batch looks up are added.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Rows of the word table, by the ids that the generator sees.
    pub masked_ids: SumOrder,
    /// Hidden states, by the picked positions.
    pub picked: SumOrder,
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
    /// Whether a position is picked, on the host, flat, for the metrics.
    pub is_picked: Arc<[bool]>,
    /// The generator's samples at the picked positions.
    pub samples: Samples,
    /// Present where gradients have to be added in an order that is known beforehand.
    pub orders: Option<Orders>,
    /// What the losses are averaged over.
    pub counts: Counts,
}

impl Counted for Batch {
    fn counts(&self) -> Counts {
        self.counts
    }
}

/// What one optimizer step, or one batch of a validation, works on.
#[derive(Debug, Clone)]
pub struct StepBatch<B = Batch> {
    /// The step that these batches are for, from 1; in a validation the steps done so far.
    pub step: usize,
    /// Of several devices that share the step the number of the one that this share is for, else 0.
    pub rank: usize,
    /// What the masks of dropout follow from.
    pub key: u64,
    /// What the losses of the whole step are averaged over.
    pub counts: Counts,
    /// The batches whose gradients are added.
    pub batches: Vec<B>,
}

impl<B> StepBatch<B> {
    /// A whole step.
    pub fn new(step: usize, key: u64, batches: Vec<B>) -> Self
    where
        B: Counted,
    {
        let counts = batches.iter().map(B::counts).fold(Counts::default(), |sum, counts| Counts {
            picked: sum.picked + counts.picked,
            tokens: sum.tokens + counts.tokens,
        });
        Self { step, rank: 0, key, counts, batches }
    }

    /// The same with every batch made into another.
    pub fn map<C>(self, make: impl FnMut(&B) -> C) -> StepBatch<C> {
        let Self { step, rank, key, counts, batches } = self;
        StepBatch { step, rank, key, counts, batches: batches.iter().map(make).collect() }
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

    #[test]
    fn shares_of_rows_make_up_the_batch() {
        let rows: Vec<Row> =
            (0..5).map(|row| (0..4 + 3 * row).map(|at| 2 + row * 30 + at).collect::<Vec<u32>>().into()).collect();
        let masking = Masking {
            mask_probability: 0.4,
            replace_probability: 0.8,
            excluded: vec![0, 1],
            unit: Default::default(),
            continues: [].into(),
        };
        let rng = |row| Rng::new(5, Purpose::Mask, 1, row as u64);
        let whole = HostBatch::new(&rows, &masking, 1, 0, rng);
        let parts = [0..2, 2..2, 2..5].map(|rows| whole.of_rows(rows));
        assert_eq!(parts.each_ref().map(|part| part.shape), [[2, 16], [0, 16], [3, 16]]);
        let joined = |of: fn(&HostBatch) -> &[i32]| parts.iter().flat_map(of).copied().collect::<Vec<_>>();
        assert_eq!(joined(|part| &part.input_ids), whole.input_ids);
        assert_eq!(joined(|part| &part.masked_ids), whole.masked_ids);
        let mask = |part: &HostBatch| part.attention_mask.clone().unwrap();
        assert_eq!(parts.iter().flat_map(mask).collect::<Vec<_>>(), mask(&whole));
        let quantiles = |part: &HostBatch| match &part.draws {
            Draws::Quantiles(at) => at.clone(),
            Draws::Ids(_) => panic!("quantiles were drawn"),
        };
        assert_eq!(parts.iter().flat_map(quantiles).collect::<Vec<_>>(), quantiles(&whole));
        let moved = parts[2].picked.iter().map(|at| at + 2 * 16);
        assert_eq!(parts[0].picked.iter().copied().chain(moved).collect::<Vec<_>>(), whole.picked);
        assert_eq!(parts.iter().map(|part| part.counts.picked).sum::<usize>(), whole.counts.picked);
        assert_eq!(parts.map(|part| part.counts.tokens), [4 + 7, 0, 10 + 13 + 16]);
        assert_eq!(whole.counts.tokens, 4 + 7 + 10 + 13 + 16);
    }
}

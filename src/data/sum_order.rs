//! In which order the gradients of looked up rows are added, where that has to be known beforehand.
//!
//! Devices without float atomics cannot add to a row of a table while others do, and with them the order of a sum changes
//! from run to run. So ids are sorted on the host while a batch is prepared, and the rows of each id are added eight at a
//! time, level by level, in an order that follows from the ids alone.

use crate::device::{computes_on_host, has_float_atomics};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::sync::Arc;

/// Rows that one sum adds.
pub const FAN: usize = 8;

/// Whether batches on `device` need a [`SumOrder`]: where it is asked for, or where float atomics are missing. CPU backends
/// never do; their sums have a fixed order.
pub fn wants_order(device: &Device, deterministic: bool) -> bool {
    !computes_on_host(device) && (deterministic || !has_float_atomics(device))
}

/// How the gradient of a table follows from that of the rows that were looked up.
#[derive(Debug, Clone)]
pub struct SumOrder {
    /// What [`Sums`] reads, on the device.
    pub indices: Tensor<1, Int>,
    /// How it is read.
    pub sums: Arc<Sums>,
}

/// How indices are read: for each level [`FAN`] lists of rows of the level before, which are added list by list, the
/// gradient itself being the first; at last, for each row of the table, a row of all levels one after the other. One past
/// the end of a level stands for a row of zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Rows of each level.
    pub levels: Vec<usize>,
    /// Rows of the table, as far as anybody asks for them.
    pub rows: usize,
}

impl SumOrder {
    /// That of `ids`, on `device`.
    pub fn new(ids: impl Iterator<Item = usize> + Clone, device: &Device) -> Self {
        let (sums, indices) = Sums::new(ids);
        let count = indices.len();
        let indices = Tensor::from_data(TensorData::new(indices, [count]), &device.clone().inner());
        Self { indices, sums: Arc::new(sums) }
    }
}

impl Sums {
    /// Also the indices.
    fn new(ids: impl Iterator<Item = usize> + Clone) -> (Self, Vec<i32>) {
        let rows = ids.clone().max().map_or(0, |largest| largest + 1);
        // Ids sorted by counting: `places` has those that ask for row `r` at `ends[r - 1]..ends[r]`.
        let mut ends = vec![0usize; rows];
        ids.clone().for_each(|id| ends[id] += 1);
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        let mut places = vec![0usize; total];
        for (place, id) in ids.enumerate() {
            places[ends[id]] = place;
            ends[id] += 1;
        }

        // A row without an id is a row of zeros, whose number is not known yet.
        let mut last = vec![usize::MAX; rows];
        let mut members: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut begin = 0;
        for (row, &end) in ends.iter().enumerate() {
            match &places[begin..end] {
                [] => {}
                [place] => last[row] = *place,
                places => members.push((row, places.to_vec())),
            }
            begin = end;
        }
        let (mut levels, mut indices) = (Vec::new(), Vec::new());
        // The rows of the level before, and how many rows come before those of this level in all.
        let (mut before, mut offset) = (total, total);
        while !members.is_empty() {
            let groups: Vec<&[usize]> = members.iter().flat_map(|(_, members)| members.chunks(FAN)).collect();
            for at in 0..FAN {
                indices.extend(groups.iter().map(|group| group.get(at).copied().unwrap_or(before) as i32));
            }
            let level = groups.len();
            let mut next = 0;
            members = std::mem::take(&mut members)
                .into_iter()
                .filter_map(|(row, members)| {
                    let sums: Vec<usize> = (next..next + members.len().div_ceil(FAN)).collect();
                    next += sums.len();
                    if let [sum] = sums.as_slice() {
                        last[row] = offset + sum;
                        return None;
                    }
                    Some((row, sums))
                })
                .collect();
            levels.push(level);
            (before, offset) = (level, offset + level);
        }
        indices.extend(last.into_iter().map(|row| row.min(offset) as i32));
        (Self { levels, rows }, indices)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::{Purpose, Rng};
    use super::*;

    /// Adds up what `sums` says about rows of one number each.
    fn add(sums: &Sums, indices: &[i32], gradient: &[f64]) -> Vec<f64> {
        let mut indices = indices.iter().map(|&at| at as usize);
        let (mut all, mut before) = (gradient.to_vec(), gradient.to_vec());
        for &rows in &sums.levels {
            before.push(0.0);
            let mut level = vec![0.0; rows];
            for _ in 0..FAN {
                level.iter_mut().zip(&mut indices).for_each(|(sum, at)| *sum += before[at]);
            }
            all.extend(&level);
            before = level;
        }
        all.push(0.0);
        let table = (0..sums.rows).map(|_| all[indices.next().unwrap()]).collect();
        assert_eq!(indices.next(), None);
        table
    }

    #[test]
    fn sums_are_those_of_each_row() {
        let mut rng = Rng::new(11, Purpose::Mask, 0, 0);
        for (ids, rows) in [(0, 3), (1, 1), (5, 40), (9, 1), (64, 2), (65, 1), (700, 3), (2000, 300)] {
            // Half of the ids are the same one, as words of a text are.
            let ids: Vec<usize> =
                (0..ids).map(|_| if rng.uniform() < 0.5 { rows / 2 } else { rng.below(rows) }).collect();
            let gradient: Vec<f64> = (0..ids.len()).map(|_| f64::from(rng.uniform())).collect();
            let (sums, indices) = Sums::new(ids.iter().copied());
            let mut expected = vec![0.0; sums.rows];
            ids.iter().zip(&gradient).for_each(|(&id, value)| expected[id] += value);
            let found = add(&sums, &indices, &gradient);
            for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert!((found - expected).abs() < 1e-9, "row {row} of {rows}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn rows_that_are_asked_for_once_need_no_sums() {
        let (sums, indices) = Sums::new([4, 0, 2].into_iter());
        assert_eq!(sums, Sums { levels: vec![], rows: 5 });
        assert_eq!(indices, [1, 3, 2, 3, 0]);
    }
}

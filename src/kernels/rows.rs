//! How rows are divided among threads: into chunks of a fixed number, so that sums do not depend on the threads.

/// Rows that a thread takes at a time.
pub(super) const CHUNK_ROWS: usize = 32;

/// The sum of `parts`, each of `width` numbers, in their order.
pub(super) fn add_up(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    parts.into_iter().fold(vec![0.0; width], |mut sum, part| {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        sum
    })
}

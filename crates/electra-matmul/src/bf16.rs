//! Products whose operands are rounded to bf16 and whose sums are in single precision, by the instructions of AVX-512 BF16.
//!
//! The instruction `dpbf16` multiplies 16 pairs of numbers by 16 others and adds both products of each pair to a sum. So the
//! operands are rounded into buffers of pairs, neighbours along the inner dimension: the left one as it lies, the right one
//! in panels of [`NR`] columns. A tile of [`MR`] x [`NR`] sums stays in registers for [`KC`] pairs. The order of a sum
//! depends on the inner dimension alone, so that a product is the same for any number of threads.

use super::{Matrix, MatrixMut, Output, has_bf16};
use rayon::prelude::*;
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

/// Rows of a tile: with [`NR`] columns its sums fill 24 of the 32 registers.
const MR: usize = 6;
/// Columns of a tile and of a panel: four registers.
const NR: usize = 64;
/// Pairs of the inner dimension that a tile goes through at a time: 64 KiB of a panel.
const KC: usize = 256;
/// Rows that a thread takes at a time.
const MC: usize = 96;
/// Numbers that are worth a task of their own when operands are rounded.
const WORTH_ROUNDING: usize = 1 << 14;
/// Numbers in a register.
const LANES: usize = 16;

thread_local! {
    /// Room for the rounded operands, kept from one product that a thread begins to its next.
    static ROOM: RefCell<[Vec<u32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// `scale * a b`, put into `out` or added to it.
pub(super) fn multiply(out: MatrixMut, how: Output, a: Matrix, b: Matrix, scale: f32, parallel: bool) {
    assert!(has_bf16(), "products in bf16 need AVX-512 BF16");
    let ([rows, inner], [_, columns]) = (a.shape, b.shape);
    if rows == 0 || columns == 0 {
        return;
    }
    let (pairs, panels) = (inner.div_ceil(2), columns.div_ceil(NR));
    // Taken out, since a thread that waits for its tasks may begin another product.
    let [mut left, mut right] = ROOM.take();
    grow(&mut left, rows * pairs);
    grow(&mut right, panels * pairs * NR);
    let a = if inner == 0 {
        Left { pairs: &[], down: 0, right: 0 }
    } else {
        // SAFETY: the processor has the instructions.
        unsafe {
            round_right(b, &mut right[..panels * pairs * NR], parallel);
            round_left(a, &mut left, parallel)
        }
    };
    let tiles = Tiles {
        out: Numbers(out.values.as_mut_ptr()),
        stride: out.stride,
        add: how == Output::Add,
        scale,
        a,
        panels: &right,
        columns,
        pairs,
    };
    // SAFETY: the processor has the instructions, and every task has a part of the output for itself.
    let work = |(rows, panels)| unsafe { tiles.compute(rows, panels) };
    let tasks = tasks(rows, panels, if parallel { rayon::current_num_threads() } else { 1 });
    if parallel {
        tasks.into_par_iter().for_each(work);
    } else {
        tasks.into_iter().for_each(work);
    }
    ROOM.set([left, right]);
}

fn grow(buffer: &mut Vec<u32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
}

/// The output in parts: some rows and some panels each. Few rows are divided along their columns too.
fn tasks(rows: usize, panels: usize, threads: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let blocks = rows.div_ceil(MC);
    let groups = if threads == 1 { 1 } else { (4 * threads).div_ceil(blocks).min(panels) };
    let width = panels.div_ceil(groups);
    let of_rows = |first: usize| {
        (0..panels).step_by(width).map(move |panel| (first..(first + MC).min(rows), panel..(panel + width).min(panels)))
    };
    (0..rows).step_by(MC).flat_map(of_rows).collect()
}

/// Where several threads write, each to a place of its own.
#[derive(Clone, Copy)]
struct Numbers<T>(*mut T);

// SAFETY: a pointer; whoever writes through it sees to it that no two threads have the same place.
unsafe impl<T: Send> Send for Numbers<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Numbers<T> {}

impl<T> Numbers<T> {
    /// # Safety
    /// The place lies within the allocation, and nobody else has it.
    unsafe fn slice<'a>(self, at: usize, len: usize) -> &'a mut [T] {
        // SAFETY: the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at), len) }
    }
}

/// The rounded left operand: pair `(row, p)` stands at `row * down + p * right`.
#[derive(Clone, Copy)]
struct Left<'a> {
    pairs: &'a [u32],
    down: usize,
    right: usize,
}

/// Runs `work` for all below `count`, of which each rounds `size` numbers.
fn each(count: usize, size: usize, parallel: bool, work: impl Fn(usize) + Send + Sync) {
    if parallel {
        (0..count).into_par_iter().with_min_len(WORTH_ROUNDING.div_ceil(size.max(1))).for_each(work);
    } else {
        (0..count).for_each(work);
    }
}

/// Rounds the left operand, whichever way it lies.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn round_left<'a>(a: Matrix, buffer: &'a mut [u32], parallel: bool) -> Left<'a> {
    let [rows, inner] = a.shape;
    let pairs = inner.div_ceil(2);
    let to = Numbers(buffer.as_mut_ptr());
    if a.strides[1] == 1 {
        each(rows, inner, parallel, |row| {
            // SAFETY: every row has a place of its own.
            let to = unsafe { to.slice(row * pairs, pairs) };
            neighbours(&a.values[row * a.strides[0]..][..inner], to);
        });
        Left { pairs: &buffer[..rows * pairs], down: pairs, right: 1 }
    } else {
        let line = |at: usize| &a.values[at * a.strides[1]..][..rows];
        each(pairs, 2 * rows, parallel, |p| {
            // SAFETY: every pair of lines has a place of its own.
            let to = unsafe { to.slice(p * rows, rows) };
            interleave(line(2 * p), (2 * p + 1 < inner).then(|| line(2 * p + 1)), to);
        });
        Left { pairs: &buffer[..rows * pairs], down: 1, right: rows }
    }
}

/// Rounds the right operand into panels, `[panel][pair][NR]`; what is beyond its columns is 0.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn round_right(b: Matrix, buffer: &mut [u32], parallel: bool) {
    let [inner, columns] = b.shape;
    let pairs = inner.div_ceil(2);
    let to = Numbers(buffer.as_mut_ptr());
    each(columns.div_ceil(NR), inner * NR, parallel, |number| {
        let (first, width) = (number * NR, NR.min(columns - number * NR));
        // SAFETY: every panel has a place of its own.
        let panel = unsafe { to.slice(number * pairs * NR, pairs * NR) };
        if b.strides[1] == 1 {
            let row = |at: usize| &b.values[at * b.strides[0] + first..][..width];
            for (p, to) in panel.chunks_exact_mut(NR).enumerate() {
                interleave(row(2 * p), (2 * p + 1 < inner).then(|| row(2 * p + 1)), &mut to[..width]);
                to[width..].fill(0);
            }
        } else {
            for group in (0..NR).step_by(LANES) {
                let count = LANES.min(width.saturating_sub(group));
                let column = |at: usize| &b.values[(first + group + at) * b.strides[1]..][..inner];
                pack_columns(column, count, inner, &mut panel[group..]);
            }
        }
    });
}

/// `count` columns that lie in a row each, as pairs below each other, [`NR`] apart.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn pack_columns<'a>(column: impl Fn(usize) -> &'a [f32], count: usize, inner: usize, to: &mut [u32]) {
    let pairs = inner.div_ceil(2);
    let mut square = [[0; LANES]; LANES];
    for begin in (0..pairs).step_by(LANES) {
        let here = LANES.min(pairs - begin);
        for (at, row) in square.iter_mut().enumerate().take(count) {
            neighbours(&column(at)[2 * begin..inner.min(2 * (begin + LANES))], &mut row[..here]);
        }
        for (p, row) in transpose(&square).iter().enumerate().take(here) {
            to[(begin + p) * NR..][..LANES].copy_from_slice(row);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn transpose(square: &[[u32; LANES]; LANES]) -> [[u32; LANES]; LANES] {
    // SAFETY: both have the size of a register.
    let rows: [__m512i; LANES] = square.each_ref().map(|row| unsafe { _mm512_loadu_si512(row.as_ptr().cast()) });
    // Within each quarter of a register: single numbers of two rows in turn, then twos of four rows.
    let mut twos = rows;
    for at in (0..LANES).step_by(2) {
        twos[at] = _mm512_unpacklo_epi32(rows[at], rows[at + 1]);
        twos[at + 1] = _mm512_unpackhi_epi32(rows[at], rows[at + 1]);
    }
    let mut fours = twos;
    for at in (0..LANES).step_by(4) {
        fours[at] = _mm512_unpacklo_epi64(twos[at], twos[at + 2]);
        fours[at + 1] = _mm512_unpackhi_epi64(twos[at], twos[at + 2]);
        fours[at + 2] = _mm512_unpacklo_epi64(twos[at + 1], twos[at + 3]);
        fours[at + 3] = _mm512_unpackhi_epi64(twos[at + 1], twos[at + 3]);
    }
    // Quarter `q` of `fours[4 r + c]` has rows `4 r ..` of column `4 q + c`.
    let mut columns = [[0; LANES]; LANES];
    for c in 0..4 {
        let even = _mm512_shuffle_i32x4::<0b10_00_10_00>(fours[c], fours[4 + c]);
        let odd = _mm512_shuffle_i32x4::<0b11_01_11_01>(fours[c], fours[4 + c]);
        let even_below = _mm512_shuffle_i32x4::<0b10_00_10_00>(fours[8 + c], fours[12 + c]);
        let odd_below = _mm512_shuffle_i32x4::<0b11_01_11_01>(fours[8 + c], fours[12 + c]);
        let of_column = [
            _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even_below),
            _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd_below),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even_below),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd_below),
        ];
        for (quarter, column) in of_column.into_iter().enumerate() {
            // SAFETY: a row has the size of a register.
            unsafe { _mm512_storeu_si512(columns[4 * quarter + c].as_mut_ptr().cast(), column) };
        }
    }
    columns
}

/// Neighbours in a row as pairs; the last has a 0 where there is no neighbour.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn neighbours(from: &[f32], to: &mut [u32]) {
    assert!(to.len() == from.len().div_ceil(2));
    let whole = from.len() / (2 * LANES);
    for at in 0..whole {
        // SAFETY: 32 numbers and their 16 pairs lie within the slices.
        unsafe {
            let low = _mm512_loadu_ps(from.as_ptr().add(2 * LANES * at));
            let high = _mm512_loadu_ps(from.as_ptr().add(2 * LANES * at + LANES));
            let pairs = as_integers(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(to.as_mut_ptr().add(LANES * at).cast(), pairs);
        }
    }
    for (numbers, to) in from[2 * LANES * whole..].chunks(2).zip(&mut to[LANES * whole..]) {
        *to = pair(numbers[0], numbers.get(1).copied().unwrap_or(0.0));
    }
}

/// What stands at the same place of two rows as pairs; without a second row, with 0.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn interleave(first: &[f32], second: Option<&[f32]>, to: &mut [u32]) {
    assert!(to.len() == first.len() && second.is_none_or(|second| second.len() == first.len()));
    let whole = first.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        // SAFETY: 16 numbers of each row and their 16 pairs lie within the slices.
        unsafe {
            let low = as_integers(_mm512_cvtne2ps_pbh(_mm512_setzero_ps(), _mm512_loadu_ps(first.as_ptr().add(at))));
            let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(low));
            let pairs = match second {
                Some(second) => {
                    let second = _mm512_loadu_ps(second.as_ptr().add(at));
                    let high = as_integers(_mm512_cvtne2ps_pbh(_mm512_setzero_ps(), second));
                    let high = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(high));
                    _mm512_or_si512(low, _mm512_slli_epi32::<16>(high))
                }
                None => low,
            };
            _mm512_storeu_si512(to.as_mut_ptr().add(at).cast(), pairs);
        }
    }
    for at in whole..first.len() {
        to[at] = pair(first[at], second.map_or(0.0, |second| second[at]));
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn as_integers(pairs: __m512bh) -> __m512i {
    // SAFETY: both are 512 bits of any value.
    unsafe { std::mem::transmute(pairs) }
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn as_pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits of any value.
    unsafe { std::mem::transmute(bits) }
}

fn pair(first: f32, second: f32) -> u32 {
    u32::from(round(first)) | u32::from(round(second)) << 16
}

/// The upper half of a number, rounded to nearest, ties to even, as the instructions round: a subnormal number becomes 0.
pub(super) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    match value.classify() {
        // The quiet bit is set, so that no NaN becomes an infinity.
        std::num::FpCategory::Nan => (bits >> 16) as u16 | 0x40,
        std::num::FpCategory::Subnormal => (bits >> 16) as u16 & 0x8000,
        _ => ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16,
    }
}

/// A product whose operands are rounded.
struct Tiles<'a> {
    out: Numbers<f32>,
    stride: usize,
    add: bool,
    scale: f32,
    a: Left<'a>,
    panels: &'a [u32],
    columns: usize,
    pairs: usize,
}

impl Tiles<'_> {
    /// Some rows and some panels of the output.
    ///
    /// # Safety
    /// They lie within the output, and nobody else writes there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn compute(&self, rows: Range<usize>, panels: Range<usize>) {
        for begin in (0..self.pairs.max(1)).step_by(KC) {
            let pairs = begin..self.pairs.min(begin + KC);
            for number in panels.clone() {
                for row in rows.clone().step_by(MR) {
                    // SAFETY: the rows are within those of this task.
                    unsafe {
                        match MR.min(rows.end - row) {
                            6 => self.tile::<6>(row, number, pairs.clone()),
                            5 => self.tile::<5>(row, number, pairs.clone()),
                            4 => self.tile::<4>(row, number, pairs.clone()),
                            3 => self.tile::<3>(row, number, pairs.clone()),
                            2 => self.tile::<2>(row, number, pairs.clone()),
                            _ => self.tile::<1>(row, number, pairs.clone()),
                        }
                    }
                }
            }
        }
    }

    /// `M` rows of a panel: the products of some pairs, which are added to those of the pairs before.
    ///
    /// # Safety
    /// As for [`Tiles::compute`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    #[inline]
    unsafe fn tile<const M: usize>(&self, row: usize, number: usize, pairs: Range<usize>) {
        let Left { pairs: left, down, right } = self.a;
        let panel = &self.panels[(number * self.pairs + pairs.start) * NR..][..pairs.len() * NR];
        let add = self.add || pairs.start > 0;
        if let Some(last) = pairs.clone().last() {
            assert!((row + M - 1) * down + last * right < left.len());
        }
        let mut sums = [[_mm512_setzero_ps(); NR / LANES]; M];
        // SAFETY: `a` stays below the element that is checked above, `b` within `panel`.
        unsafe {
            let mut a = left.as_ptr().add(row * down + pairs.start * right);
            let mut b = panel.as_ptr();
            for _ in pairs {
                let columns: [__m512bh; NR / LANES] =
                    std::array::from_fn(|at| as_pairs(_mm512_loadu_si512(b.add(LANES * at).cast())));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let pair = as_pairs(_mm512_set1_epi32(*a.add(i * down) as i32));
                    for (sum, column) in sums.iter_mut().zip(columns) {
                        *sum = _mm512_dpbf16_ps(*sum, pair, column);
                    }
                }
                a = a.wrapping_add(right);
                b = b.add(NR);
            }
        }
        let width = NR.min(self.columns - number * NR);
        let scale = _mm512_set1_ps(self.scale);
        for (i, sums) in sums.iter().enumerate() {
            for (sum, first) in sums.iter().zip((0..width).step_by(LANES)) {
                let mask: __mmask16 = if width - first >= LANES { !0 } else { (1 << (width - first)) - 1 };
                let product = _mm512_mul_ps(*sum, scale);
                // SAFETY: the masked numbers lie within the row; nobody else writes there.
                unsafe {
                    let at = self.out.0.add((row + i) * self.stride + number * NR + first);
                    let value = if add { _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), product) } else { product };
                    _mm512_mask_storeu_ps(at, mask, value);
                }
            }
        }
    }
}

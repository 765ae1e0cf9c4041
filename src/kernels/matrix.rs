//! Matrix products of slices: in single precision by the `gemm` crate, with AVX-512, AVX2 or NEON, whatever the processor has; with
//! operands in bf16 by a kernel of our own where it has AVX-512 BF16.

#[cfg(target_arch = "x86_64")]
mod bf16;
#[cfg(test)]
mod tests;

use super::context::StepContext;
use crate::config::Precision;
use crate::device::has_bf16_products;
use gemm::Parallelism;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// `rows` x `columns`, row by row.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from one row to the next.
    pub(super) fn strided(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(values.len(), rows, columns, stride);
        Self { values, shape: [rows, columns], strides: [stride, 1] }
    }

    /// Transposed, without a copy.
    pub(super) fn t(self) -> Self {
        let ([rows, columns], [down, right]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [right, down], ..self }
    }
}

/// A matrix that is written to, row by row.
pub(super) struct MatrixMut<'a> {
    values: &'a mut [f32],
    shape: [usize; 2],
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` x `columns`, row by row.
    pub(super) fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from one row to the next.
    pub(super) fn strided(values: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(values.len(), rows, columns, stride);
        Self { values, shape: [rows, columns], stride }
    }
}

fn check(len: usize, rows: usize, columns: usize, stride: usize) {
    let end = rows.saturating_sub(1).checked_mul(stride).and_then(|start| start.checked_add(columns));
    assert!(rows == 0 || columns == 0 || end.is_some_and(|end| end <= len), "a matrix must lie within its slice");
    assert!(rows <= 1 || columns <= stride, "the rows of a matrix must not overlap");
}

/// What becomes of the numbers that were in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// They are replaced; they may be uninitialised.
    Set,
    /// The product is added to them.
    Add,
}

/// Which threads compute a product.
#[derive(Clone, Copy)]
pub(super) enum Threads {
    /// All of them, where it is worth while.
    All,
    /// The calling one.
    One,
}

/// Products with fewer multiplications than this are not worth dividing among threads.
const WORTH_DIVIDING: usize = 1 << 18;

/// What the operands of a product are rounded to. The sums are in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// They stay as they are.
    F32,
    /// To bf16, to nearest; subnormal numbers become 0.
    BF16,
}

impl Format {
    /// The one that a step asks for, where the processor has it.
    pub(super) fn of(context: &StepContext) -> Self {
        if context.precision() == Precision::BF16 && has_bf16_products() { Self::BF16 } else { Self::F32 }
    }

    /// `scale * a b`, put into `out` or added to it.
    pub(super) fn multiply(self, out: MatrixMut, how: Output, a: Matrix, b: Matrix, scale: f32, threads: Threads) {
        let ([rows, inner], [inner_b, columns]) = (a.shape, b.shape);
        assert!(inner == inner_b && out.shape == [rows, columns], "the matrices of a product must fit");
        let parallel = matches!(threads, Threads::All) && rows * columns * inner >= WORTH_DIVIDING;
        match self {
            Self::F32 => single(out, how, a, b, scale, parallel),
            #[cfg(target_arch = "x86_64")]
            Self::BF16 => bf16::multiply(out, how, a, b, scale, parallel),
            #[cfg(not(target_arch = "x86_64"))]
            Self::BF16 => unreachable!("no processor of this kind has products in bf16"),
        }
    }
}

/// [`Format::multiply`] by the `gemm` crate.
fn single(out: MatrixMut, how: Output, a: Matrix, b: Matrix, scale: f32, parallel: bool) {
    let ([rows, inner], [_, columns]) = (a.shape, b.shape);
    // SAFETY: `check` has shown that every element lies within its slice and that no two are the same place, and `out` is
    // borrowed mutably, so that it overlaps neither `a` nor `b`. With `read_dst` false `gemm` only writes to the output.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.values.as_mut_ptr(),
            1,
            out.stride as isize,
            how == Output::Add,
            a.values.as_ptr(),
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.values.as_ptr(),
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0,
            scale,
            false,
            false,
            false,
            if parallel { Parallelism::Rayon(0) } else { Parallelism::None },
        );
    }
}

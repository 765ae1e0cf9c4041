//! Matrix products of slices: in single precision by the `gemm` crate, with AVX-512, AVX2 or NEON, whatever the processor has; with
//! operands in bf16 by a kernel of our own where it has AVX-512 BF16.

#[cfg(target_arch = "x86_64")]
mod bf16;
#[cfg(test)]
mod tests;

use gemm::Parallelism;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// `rows` x `columns`, row by row.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from one row to the next.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        check(values.len(), rows, columns, stride);
        Self { values, shape: [rows, columns], strides: [stride, 1] }
    }

    /// Transposed, without a copy.
    pub fn t(self) -> Self {
        let ([rows, columns], [down, right]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [right, down], ..self }
    }
}

/// A matrix that is written to, row by row.
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    shape: [usize; 2],
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` x `columns`, row by row.
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` x `columns`, with `stride` numbers from one row to the next.
    pub fn strided(values: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
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
pub enum Output {
    /// They are replaced; they may be uninitialised.
    Set,
    /// The product is added to them.
    Add,
}

/// Which threads compute a product.
#[derive(Clone, Copy)]
pub enum Threads {
    /// All of them, where that is worthwhile.
    All,
    /// The calling one.
    One,
}

/// Products with fewer multiplications than this are not worth dividing among threads.
const WORTH_DIVIDING: usize = 1 << 18;

/// Whether this processor has what [`Format::BF16`] needs: AVX-512 BF16, which multiplies pairs of bf16 and adds them to sums
/// in single precision.
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

/// What the operands of a product are rounded to. The sums are in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// They stay as they are, in single precision.
    F32,
    /// The upper 16 bits, rounded to nearest, ties to even; subnormal operands and sums become 0. Needs [`has_bf16`].
    BF16,
}

impl Format {
    /// `scale * a b`, put into `out` or added to it.
    ///
    /// # Panics
    /// Where the shapes do not fit, and in [`Format::BF16`] on a processor that does not have it.
    pub fn multiply(self, out: MatrixMut, how: Output, a: Matrix, b: Matrix, scale: f32, threads: Threads) {
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

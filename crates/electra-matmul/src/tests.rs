//! Each kind of product against sums in double precision, over random shapes, layouts and special values.

use super::*;
use proptest::prelude::*;

/// A matrix of a test, laid out with gaps between its rows or columns.
struct Given {
    values: Vec<f32>,
    shape: [usize; 2],
    stride: usize,
    transposed: bool,
}

impl Given {
    fn new([rows, columns]: [usize; 2], gap: usize, transposed: bool, numbers: &mut impl FnMut() -> f32) -> Self {
        let (lines, along) = if transposed { (columns, rows) } else { (rows, columns) };
        let stride = along + gap;
        // The slice ends with the last line.
        let values = (0..(lines * stride).saturating_sub(gap)).map(|_| numbers()).collect();
        Self { values, shape: [rows, columns], stride, transposed }
    }

    fn matrix(&self) -> Matrix<'_> {
        let [rows, columns] = self.shape;
        match self.transposed {
            false => Matrix::strided(&self.values, rows, columns, self.stride),
            true => Matrix::strided(&self.values, columns, rows, self.stride).t(),
        }
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        let [row, column] = if self.transposed { [column, row] } else { [row, column] };
        self.values[row * self.stride + column]
    }
}

/// What a product takes `value` for.
fn rounded(value: f32, format: Format) -> f64 {
    f64::from(match format {
        Format::F32 => value,
        // By another way than the kernel: `half` rounds in integers.
        Format::BF16 if value.is_subnormal() => 0.0f32.copysign(value),
        Format::BF16 => half::bf16::from_f32(value).to_f32(),
    })
}

fn formats() -> Vec<Format> {
    if has_bf16() { vec![Format::F32, Format::BF16] } else { vec![Format::F32] }
}

/// `scale * a b` in every format, set or added, on one thread and on all, against sums in double precision.
fn check(a: &Given, b: &Given, gap: usize, scale: f32) -> Result<(), TestCaseError> {
    let ([rows, inner], columns) = (a.shape, b.shape[1]);
    let stride = columns + gap;
    for format in formats() {
        for (how, threads) in [(Output::Set, Threads::All), (Output::Add, Threads::All), (Output::Add, Threads::One)] {
            const BEFORE: f32 = 0.75;
            let mut out = vec![BEFORE; rows * stride];
            let to = MatrixMut::strided(&mut out, rows, columns, stride);
            format.multiply(to, how, a.matrix(), b.matrix(), scale, threads);
            for (at, found) in out.iter().enumerate() {
                let (row, column) = (at / stride, at % stride);
                if column >= columns {
                    prop_assert_eq!(*found, BEFORE, "a number beside the output was written");
                    continue;
                }
                let terms = (0..inner).map(|k| rounded(a.at(row, k), format) * rounded(b.at(k, column), format));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size): (f64, f64), term| {
                    (sum + term, size + if term.is_finite() { term.abs() } else { 0.0 })
                });
                let before = if how == Output::Add { f64::from(BEFORE) } else { 0.0 };
                let expected = f64::from(scale) * sum + before;
                if !expected.is_finite() {
                    // An overflow on the way may meet the infinity.
                    let overflows = size > f64::from(f32::MAX);
                    let same = match expected.is_nan() {
                        true => found.is_nan(),
                        false => f64::from(*found) == expected || overflows && !found.is_finite(),
                    };
                    prop_assert!(same, "{:?} at {} {}: {}, expected {}", format, row, column, found, expected);
                    continue;
                }
                if size > f64::from(f32::MAX) {
                    // Sums in single precision may overflow on their way.
                    continue;
                }
                // Each of the sums in single precision may lose half a unit of its last place.
                let tolerance = f64::from(f32::EPSILON) * (f64::from(scale.abs()) * size * (inner as f64).sqrt() + 1.0);
                let difference = (f64::from(*found) - expected).abs();
                prop_assert!(
                    difference <= tolerance,
                    "{:?} {:?} at {} {}: {}, expected {}",
                    format,
                    how,
                    row,
                    column,
                    found,
                    expected
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_are_right(
        (rows, inner, columns) in (0usize..150, 0usize..150, 0usize..200),
        (gap, transposed) in (0usize..4, [any::<bool>(), any::<bool>()]),
        (seed, scale) in (any::<u64>(), prop_oneof![Just(1.0f32), Just(-0.37)]),
    ) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut number = || 2.0 * rng.f32() - 1.0;
        let a = Given::new([rows, inner], gap, transposed[0], &mut number);
        let b = Given::new([inner, columns], gap, transposed[1], &mut number);
        check(&a, &b, gap, scale)?;
    }

    /// A sum longer than what a tile goes through at a time, and enough work for all threads.
    #[test]
    fn long_sums_are_right(inner in 510usize..1600, transposed in [any::<bool>(), any::<bool>()], seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut number = || 2.0 * rng.f32() - 1.0;
        let a = Given::new([97, inner], 0, transposed[0], &mut number);
        let b = Given::new([inner, 65], 0, transposed[1], &mut number);
        check(&a, &b, 0, 1.0)?;
    }

    /// Infinities, NaN, zeros of both signs, subnormal numbers and the largest ones, a few among others.
    #[test]
    fn special_values_are_kept(
        (rows, inner, columns) in (1usize..20, 1usize..70, 1usize..80),
        transposed in [any::<bool>(), any::<bool>()],
        seed in any::<u64>(),
    ) {
        const SPECIAL: [f32; 9] =
            [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.0, -0.0, 1e-40, -1e-45, f32::MAX, f32::MIN_POSITIVE];
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut number = || if rng.usize(..40) == 0 { SPECIAL[rng.usize(..SPECIAL.len())] } else { 2.0 * rng.f32() - 1.0 };
        let a = Given::new([rows, inner], 0, transposed[0], &mut number);
        let b = Given::new([inner, columns], 0, transposed[1], &mut number);
        check(&a, &b, 0, 1.0)?;
    }
}

/// Every number of threads gives the same bits.
#[test]
fn products_do_not_depend_on_threads() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut number = || 2.0 * rng.f32() - 1.0;
    let a = Given::new([250, 700], 0, false, &mut number);
    let b = Given::new([700, 300], 0, true, &mut number);
    for format in formats() {
        let product = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let mut out = vec![f32::NAN; 250 * 300];
            let to = MatrixMut::new(&mut out, 250, 300);
            pool.install(|| format.multiply(to, Output::Set, a.matrix(), b.matrix(), 1.0, Threads::All));
            out
        };
        let one = product(1);
        assert!(one.iter().all(|value| value.is_finite()));
        assert_eq!(one, product(2), "{format:?}");
        assert_eq!(one, product(5), "{format:?}");
    }
}

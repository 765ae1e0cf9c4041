//! Arithmetic in forms that compilers turn into vector instructions: no branches, no calls, sums in lanes.
//!
//! Everything here is inlined into kernels that are compiled for several instruction sets ([`vectorized!`]).

/// Compiles a function for AVX-512 and AVX2 beside the baseline, and picks at run time what the processor has.
macro_rules! vectorized {
    ($($item:tt)*) => {
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2+lzcnt+popcnt+f16c",
            "x86_64+avx2+fma+bmi1+bmi2+lzcnt+popcnt+f16c",
        ))]
        $($item)*
    };
}
pub(super) use vectorized;

/// Partial sums that a loop keeps: enough for two vectors of the widest registers.
const LANES: usize = 32;

/// Sum of `term(i)` over all indices below `len`, always in the same order.
#[inline(always)]
pub(super) fn sum(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = len / LANES * LANES;
    let mut at = 0;
    while at < whole {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(at + lane);
        }
        at += LANES;
    }
    for (lane, at) in (whole..len).enumerate() {
        lanes[lane] += term(at);
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// The largest of `values`, NaN if one of them is.
#[inline(always)]
pub(super) fn max(values: &[f32]) -> f32 {
    #[inline(always)]
    fn larger(a: f32, b: f32) -> f32 {
        // Not `f32::max`, which would lose NaN.
        if a > b || a.is_nan() { a } else { b }
    }
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, value);
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}

/// `e^x` to about 1e-7 of itself; below -87 it stays at `e^-87`, 1.6e-38, and above 88 at `e^88`. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Added and subtracted, it rounds to the nearest integer, which then stands in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the first has few digits, so that its multiples are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0))));
    let value = 1.0 + r * (1.0 + r * (0.5 + r * tail));
    f32::from_bits(value.to_bits().wrapping_add(rounded.to_bits() << 23))
}

/// The standard normal distribution and its density at `x`, both to 2e-7 (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.231_641_89 * x.abs());
    let polynomial = t * (0.127_414_8 + t * (-0.142_248_37 + t * (0.710_706_9 + t * (-0.726_576 + t * 0.530_702_7))));
    let tail = polynomial * bell;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, bell * 0.398_942_3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_its_last_digits() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found}, expected {expected}");
        }
        assert!(exp(-1e30) < 2e-38 && exp(-1e30) >= 0.0);
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn the_normal_distribution_is_right() {
        assert!(normal(f32::NAN).0.is_nan());
        // Integrated from the density, which is checked against its formula.
        let (mut below, step) = (0.5f64, 1e-3f64);
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        for i in 0..6000 {
            let x = f64::from(i) * step;
            let (cdf, pdf) = normal(x as f32);
            assert!((f64::from(cdf) - below).abs() < 3e-7, "{x}: {cdf}, expected {below}");
            assert!((f64::from(normal(-x as f32).0) - (1.0 - below)).abs() < 3e-7);
            assert!((f64::from(pdf) - density(x)).abs() < 2e-7);
            below += step * (density(x) + 4.0 * density(x + step / 2.0) + density(x + step)) / 6.0;
        }
    }

    #[test]
    fn sums_and_maxima_are_right_for_any_length() {
        for len in 0..100usize {
            let values: Vec<f32> = (0..len).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
            assert_eq!(sum(len, |i| values[i]), values.iter().sum::<f32>());
            assert_eq!(max(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            for nan in 0..len {
                let mut values = values.clone();
                values[nan] = f32::NAN;
                assert!(max(&values).is_nan());
            }
        }
    }
}

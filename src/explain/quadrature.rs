//! Gauss-Legendre quadrature: the points and weights that integrate polynomials of degree `2 n - 1` exactly.

/// Points in (0, 1), ascending, each with its weight; the weights add up to 1.
pub(super) fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut nodes: Vec<(f64, f64)> = (0..n).map(|number| node(n, number)).collect();
    nodes.reverse();
    nodes
}

/// The root with a number of the `n`th Legendre polynomial, largest first, and its weight, moved from [-1, 1] to [0, 1].
fn node(n: usize, number: usize) -> (f64, f64) {
    // Newton's method converges within a few steps from this guess, which is right to order 1 / n^2.
    let mut x = (std::f64::consts::PI * (number as f64 + 0.75) / (n as f64 + 0.5)).cos();
    let mut derivative = 1.0;
    for _ in 0..20 {
        let (value, slope) = legendre(n, x);
        derivative = slope;
        let step = value / slope;
        x -= step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    ((x + 1.0) / 2.0, 1.0 / ((1.0 - x * x) * derivative * derivative))
}

/// The `n`th Legendre polynomial and its derivative at `x`, inside (-1, 1).
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (0.0, 1.0);
    for k in 1..=n {
        let k = k as f64;
        let next = ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k;
        before = value;
        value = next;
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for n in [1, 2, 3, 8, 32, 512] {
            let nodes = gauss_legendre(n);
            assert!(nodes.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for degree in [0, 1, 2, 5, 2 * n - 1].into_iter().filter(|degree| *degree < 2 * n) {
                let sum: f64 = nodes.iter().map(|(x, weight)| weight * x.powi(degree as i32)).sum();
                assert!((sum - 1.0 / (degree as f64 + 1.0)).abs() < 1e-12, "x^{degree} by {n} points: {sum}");
            }
        }
        // 1/2 -+ 1/(2 sqrt 3), half each.
        let [(a, wa), (b, wb)] = gauss_legendre(2)[..] else { panic!("two points") };
        let half = 0.5 / 3f64.sqrt();
        for (found, expected) in [(a, 0.5 - half), (b, 0.5 + half), (wa, 0.5), (wb, 0.5)] {
            assert!((found - expected).abs() < 1e-15);
        }
    }
}

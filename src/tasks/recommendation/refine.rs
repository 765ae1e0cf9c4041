//! What both networks say together about an item.
//!
//! Where an item is put in place of `[MASK]`, the discriminator says how probable it is that it is none of the data. In
//! training the place was picked with probability m; the item of the data stood there where it was not picked, or where
//! the generator drew that very item, which counts as original. With p for the data and q for the generator, item x is
//!
//! - original with probability p (1 - m) + m p q,
//! - replaced with probability m q (1 - p).
//!
//! So (1 - D) / D = p / (1 - p) * ((1 - m) / m + q) / q, which gives p: the density ratio of Electric (Clark et al.,
//! EMNLP 2020), exact for a categorical q.

/// The probability p that the networks give to an item: `q` the generator's, `logit` the discriminator's for replaced,
/// `picked` the share m, above 0.
pub(super) fn refined(q: f64, logit: f64, picked: f64) -> f64 {
    let odds = q * (-logit).exp() / ((1.0 - picked) / picked + q);
    if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A discriminator that knows everything gives back the probabilities of the data, whatever the generator.
    #[test]
    fn a_perfect_discriminator_corrects_the_generator() {
        let (p, q) = ([0.6, 0.3, 0.1, 0.0], [0.2, 0.5, 0.2, 0.1]);
        for picked in [0.2, 0.6, 1.0] {
            for (p, q) in p.into_iter().zip(q) {
                let (original, replaced): (f64, f64) = (p * (1.0 - picked) + picked * p * q, picked * q * (1.0 - p));
                let found = refined(q, (replaced / original).ln(), picked);
                assert!((found - p).abs() < 1e-12, "{found}, expected {p}");
            }
        }
    }
}

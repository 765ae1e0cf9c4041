//! Probabilities of logits.

/// The probability of a logit.
pub fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// The probabilities of logits that exclude each other.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exps: Vec<f64> = logits.iter().map(|&logit| f64::from(logit - most).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.into_iter().map(|exp| exp / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_their_logits() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert!((sigmoid(2.0) - softmax(&[2.0, 0.0])[0]).abs() < 1e-12);
        assert_eq!(softmax(&[1e30, 1e30]), [0.5, 0.5], "large ones do not overflow");
    }
}

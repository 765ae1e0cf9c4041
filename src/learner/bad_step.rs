//! What is known of steps whose loss or gradients are not finite, when there are too many of them.

use crate::files;
use electra_runs::layout::BAD_STEP;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes down what is known of step `step`, the last of `count` bad ones in the run at `run`: its sequences and the norms of its gradients
/// by block. Returns the same in a sentence.
pub(super) fn describe(
    run: &Path,
    (step, count): (usize, usize),
    sequences: &[usize],
    norms: &BTreeMap<String, f64>,
) -> String {
    let number = |norm: &f64| if norm.is_finite() { serde_json::json!(norm) } else { norm.to_string().into() };
    let norms: BTreeMap<_, _> = norms.iter().map(|(block, norm)| (block, number(norm))).collect();
    let report = serde_json::json!({
        "step": step, "bad_steps": count, "sequences": sequences, "gradient_norms": norms,
    });
    let path = run.join(BAD_STEP);
    let written = match files::write_file(&path, format!("{report:#}\n").as_bytes()) {
        Ok(()) => format!("{} has the details", path.display()),
        Err(error) => format!("more could not be written down: {error}"),
    };
    format!(
        "loss or gradients were not finite in {count} steps in a row, the last one step {step}; {written}. A run keeps \
         its learning rate: a new one with a lower rate begins afresh, or with --init-discriminator and --init-generator from \
         an earlier checkpoint (`electra export`); or look at the sequences that the file names"
    )
}

//! One wording for what a person should know of a run, wherever it is shown. Sentences have no capital and no full stop.

/// Steps that updated nothing.
pub fn skipped_steps(count: u64) -> String {
    format!(
        "{count} {} skipped, since loss or gradients were not finite",
        if count == 1 { "step was" } else { "steps were" }
    )
}

/// Steps whose loss lies far above what was usual.
pub fn loss_spikes(count: u64) -> String {
    format!(
        "the loss jumped far above what was usual {}",
        if count == 1 { "once".into() } else { format!("{count} times") }
    )
}

/// Lines of `metrics.jsonl` that cannot be read.
pub fn damaged_lines(count: u64) -> String {
    format!(
        "{count} {} no record and left out",
        if count == 1 { "line of metrics.jsonl is" } else { "lines of metrics.jsonl are" }
    )
}

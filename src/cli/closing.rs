//! What is printed at the end of a run of pretraining: what came of it, what its encoder says, and what to do next.

use burn::tensor::Device;
use electra_burn::learner::Report;
use electra_burn::predict::Detector;
use electra_burn::{Config, Result};
use electra_runs::counted;
use electra_runs::layout::{CONFIG, METRICS, SAMPLES};
use std::path::Path;

/// A sentence with one word too many, of the kind that the corpus of the demonstration has.
const PLANTED: &str = "In the morning the children walk to the the school.";

/// Prints what came of the run at `output`.
pub fn print(output: &Path, config: &Config, report: &Report) {
    let outcome = &report.outcome;
    say!();
    if let Some(reason) = &report.interrupted {
        say!("stopped after step {} ({reason}); the checkpoint and both models were saved", outcome.steps);
    }
    match report.elapsed {
        None => say!("nothing is left to do after {} steps: {}", outcome.steps, limit(config, outcome.steps)),
        Some(_) => say!(
            "{} in {} on {}",
            counted(outcome.steps, "step"),
            outcome.facts.time().unwrap_or_default(),
            outcome.facts.devices().last().unwrap_or(&"an unknown device")
        ),
    }
    if config.training.time_budget.is_some() && report.interrupted.is_none() && report.elapsed.is_some() {
        say!("the end: {}", limit(config, outcome.steps));
    }
    if let Some(warmup) = config.schedule.warmup_steps.filter(|&warmup| outcome.steps < warmup) {
        say!("warning: the learning rate was still rising; schedule.warmup_steps is {warmup}");
    }
    if let Some(last) = outcome.last_validation().filter(|last| last.step < outcome.steps) {
        say!("the last validation was at step {}", last.step);
    }
    if let (Some(first), Some(last)) = (outcome.first_validation(), outcome.last_validation())
        && first.step < last.step
    {
        let auc = |auc: Option<f64>| auc.map_or_else(|| "-".into(), |auc| format!("{auc:.3}"));
        say!("held-out documents, step {} -> {}:", first.step, last.step);
        say!("  MLM loss           {:.3} -> {:.3}", first.mlm_loss, last.mlm_loss);
        say!("  MLM accuracy       {:.3} -> {:.3}", first.mlm_accuracy, last.mlm_accuracy);
        let entropy = last.disc_entropy;
        say!("  discriminator loss {:.4} -> {:.4} (entropy {entropy:.4})", first.disc_loss, last.disc_loss);
        if let (Some(gain), Some(error)) = (last.disc_gain, last.disc_gain_error) {
            say!("  discriminator gain {gain:.4} ± {error:.4}");
        }
        say!("  discriminator AUC  {} -> {}", auc(first.disc_auc), auc(last.disc_auc));
        let pairs = [
            ("discriminator", first.pairs_discriminator, last.pairs_discriminator),
            ("generator", first.pairs_generator, last.pairs_generator),
        ];
        for (network, first, last) in pairs {
            if let (Some(first), Some(last)) = (first, last) {
                say!("  minimal pairs      {first:.3} -> {last:.3} by the {network}");
            }
        }
        let health = outcome.health();
        if let Some(sentence) = health.sentence() {
            say!("{}{sentence}", if health.verdict().is_trouble() { "warning: " } else { "verdict: " });
        }
    }
    if report.interrupted.is_some() {
        say!("\nto resume\n  electra pretrain --resume {}", quoted_path(output));
    }
    say!("\n{}", output.display());
    for (name, what) in [
        ("discriminator/", "the encoder, for Hugging Face"),
        ("generator/", "the masked language model, for Hugging Face"),
        (METRICS, "every figure above, by step"),
        (SAMPLES, "held-out text as the generator changed it, with the discriminator's verdicts"),
        (CONFIG, "the complete configuration"),
    ] {
        // An objective without a discriminator has no samples.
        if output.join(name).exists() {
            say!("  {name:<15} {what}");
        }
    }
}

/// What ends a run at `steps`.
fn limit(config: &Config, steps: usize) -> String {
    match config.training.time_budget {
        Some(budget) if steps < config.training.steps => {
            format!("training.time_budget, {}, is used up", humantime::format_duration(budget))
        }
        _ => format!("training.steps is {}", config.training.steps),
    }
}

/// Prints which word of [`PLANTED`] the discriminator at `path` suspects most.
pub fn judge(path: &Path, device: &Device) -> Result<()> {
    let verdicts = Detector::open(path, device)?.detect(PLANTED)?;
    let Some(most) = verdicts.iter().max_by(|a, b| a.replaced.total_cmp(&b.replaced)) else { return Ok(()) };
    let piece = &most.piece;
    // Every character of the sentence takes one column.
    let (before, width, percent) = (piece.start, piece.end - piece.start, 100.0 * most.replaced);
    say!("\na sentence with one word too many, and what the encoder suspects most:");
    say!("  {PLANTED}");
    say!("  {:before$}{} {percent:.0} %", "", "^".repeat(width));
    Ok(())
}

/// Prints commands to try with the run at `run`, with sentences for the demonstration's own.
pub fn commands(run: &Path, config: &Config, is_demonstration: bool) {
    let (detected, filled) = match is_demonstration {
        true => (PLANTED, "The children walk to the [MASK]."),
        false => ("A sentence of yours.", "A sentence of yours with a [MASK]."),
    };
    say!("\nto try next");
    // The heads of both networks are trained by replaced token detection alone.
    let has_heads = !config.objective.kind.predicts_words();
    if has_heads && run.join("discriminator").exists() {
        say!("  electra detect --model {} '{detected}'", quoted_path(&run.join("discriminator")));
    }
    if has_heads && run.join("generator").exists() {
        say!("  electra fill --model {} '{filled}'", quoted_path(&run.join("generator")));
    }
    say!("  electra report {}", quoted_path(run));
}

/// A path as a shell and the program take it, even where it looks like an option.
fn quoted_path(path: &Path) -> String {
    let text = path.display().to_string();
    quoted(&if text.starts_with('-') { format!("./{text}") } else { text })
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(quoted("runs/demo-1"), "runs/demo-1");
        assert_eq!(quoted("my runs/a"), "'my runs/a'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted_path(Path::new("-my run")), "'./-my run'");
    }
}

//! What a run that has ended shows of its encoder, and what to do next.

use burn::tensor::Device;
use electra_burn::Result;
use electra_burn::predict::Detector;
use std::path::Path;

/// A sentence with one word too many, of the kind that the corpus of the demonstration has.
const PLANTED: &str = "In the morning the children walk to the the school.";

/// Prints which word of [`PLANTED`] the discriminator at `path` suspects most.
pub fn judge(path: &Path, device: &Device) -> Result<()> {
    let verdicts = Detector::open(path, device)?.detect(PLANTED)?;
    let Some(most) = verdicts.iter().max_by(|a, b| a.replaced.total_cmp(&b.replaced)) else { return Ok(()) };
    let piece = &most.piece;
    // Every character of the sentence takes one column.
    let (before, width) = (PLANTED[..piece.start].len(), PLANTED[piece.start..piece.end].len());
    let percent = 100.0 * most.replaced;
    say!("\na sentence with one word too many, and what the encoder suspects most:");
    say!("  {PLANTED}");
    say!("  {:before$}{} {percent:.0} %", "", "^".repeat(width.max(1)));
    Ok(())
}

/// Prints three commands to try with the run at `run`.
pub fn commands(run: &Path) {
    say!("\nto try next");
    if run.join("discriminator").exists() {
        say!("  electra detect --model {} '{PLANTED}'", quoted(&run.join("discriminator")));
    }
    if run.join("generator").exists() {
        say!("  electra fill --model {} 'The children walk to the [MASK].'", quoted(&run.join("generator")));
    }
    say!("  electra report {}", quoted(run));
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        let quote = |text: &str| quoted(Path::new(text));
        assert_eq!(quote("runs/demo-1"), "runs/demo-1");
        assert_eq!(quote("my runs/a"), "'my runs/a'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}

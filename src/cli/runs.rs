//! `electra runs`

use electra_burn::Result;
use electra_runs::RunSummary;
use std::path::PathBuf;
use std::process::ExitCode;

/// List runs: what they are at, their last validation, their size.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra runs
  electra runs runs/mine --json")]
pub struct Arguments {
    /// A directory of runs, or a run
    #[arg(default_value = "runs")]
    directory: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let runs = electra_runs::runs(&arguments.directory)?;
    if arguments.json {
        say!("{}", serde_json::json!({"runs": runs}));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:<28} {:<11} {:>17} {:>10}  last validation", "run", "state", "step", "size");
    for run in runs {
        let state = run.state.name();
        let healthy = run.verdict.as_ref().filter(|_| !run.is_trouble);
        say!(
            "{:<28} {state:<11} {:>17} {:>7.1} MB  {}{}",
            run.path.display().to_string(),
            length(&run),
            run.bytes as f64 / 1e6,
            run.last_validation.as_ref().map_or_else(|| "-".into(), figures),
            healthy.map_or_else(String::new, |verdict| format!(", {verdict}")),
        );
        if let Some(reason) = run.reason {
            say!("  {reason}");
        }
        if let Some(verdict) = run.verdict.filter(|_| run.is_trouble) {
            say!("  warning: {verdict}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The steps that are done, of how many or in how much time.
fn length(run: &RunSummary) -> String {
    match (run.steps, &run.time_budget) {
        (Some(steps), _) => format!("{}/{steps}", run.step),
        (None, Some(budget)) => format!("{} in {budget}", run.step),
        (None, None) => run.step.to_string(),
    }
}

/// The figures of a validation that tell runs apart: those of pretraining, or all of a task's.
fn figures(record: &serde_json::Value) -> String {
    let number = |name: &str, value: &serde_json::Value| {
        value.as_f64().filter(|_| !["step", "count"].contains(&name)).map(|value| format!("{name} {value:.4}"))
    };
    let pretraining = ["mlm_loss", "disc_loss", "disc_auc", "pairs_discriminator", "pairs_generator"];
    let found: Vec<String> = match record["mlm_loss"].is_number() {
        true => pretraining.iter().filter_map(|name| number(name, &record[*name])).collect(),
        false => record.as_object().into_iter().flatten().filter_map(|(name, value)| number(name, value)).collect(),
    };
    found.join(", ")
}

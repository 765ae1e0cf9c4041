//! `electra runs`

use electra_burn::Result;
use electra_burn::learner::{self, RunState};
use std::path::PathBuf;
use std::process::ExitCode;

/// List runs: what they are at, their last validation, their size.
#[derive(clap::Args)]
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
    let runs = learner::runs(&arguments.directory)?;
    if arguments.json {
        say!("{}", serde_json::json!({"runs": runs}));
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:<28} {:<11} {:>17} {:>8} {:>8} {:>6} {:>10}", "run", "state", "step", "mlm", "disc", "auc", "size");
    for run in runs {
        let state = match run.state {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Interrupted => "interrupted",
            RunState::Failed => "failed",
        };
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        let last = run.last_validation.as_ref();
        say!(
            "{:<28} {state:<11} {:>17} {:>8} {:>8} {:>6} {:>7.1} MB",
            run.path.display().to_string(),
            format!("{}/{}", run.step, run.steps),
            number(last.map(|record| record.mlm_loss), 3),
            number(last.map(|record| record.disc_loss), 4),
            number(last.and_then(|record| record.disc_auc), 3),
            run.bytes as f64 / 1e6,
        );
        if let Some(reason) = run.reason {
            say!("  {reason}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

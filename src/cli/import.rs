//! `electra import`

use super::progress::Working;
use electra_burn::{Result, device, hub};
use electra_runs::readable_count;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rewrite a Hugging Face checkpoint, ELECTRA or BERT, in the layout that the other commands read.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra import google-electra-small --output encoder
  electra import bert/pytorch_model.bin --output encoder")]
pub struct Arguments {
    /// A directory, or a weights file with its config.json beside it
    source: PathBuf,
    /// New directory to write to
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Seed of what the source lacks, such as a head
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let device = device::select("auto")?.device;
    let working = Working::on("importing");
    let imported = hub::import(&arguments.source, &arguments.output, arguments.seed, &device)?;
    drop(working);
    say!("{}, {} parameters", imported.class, readable_count(imported.parameters));
    say!("loaded: {} tensors", imported.tensors.loaded.len());
    list("missing, drawn afresh", &imported.tensors.missing);
    list("ignored", &imported.tensors.ignored);
    if let Some(task) = task(&imported.class).filter(|_| !imported.has_task) {
        say!("its files name no task: predict, evaluate, explain and serve go by its class, or take --task {task}");
    }
    say!("{}", arguments.output.display());
    Ok(ExitCode::SUCCESS)
}

/// What a model with a head is usually fine-tuned for.
fn task(class: &str) -> Option<&'static str> {
    match class {
        "ElectraForSequenceClassification" => Some("classification (or regression, or ranking)"),
        "ElectraForTokenClassification" => Some("token-classification"),
        "ElectraForQuestionAnswering" => Some("question-answering"),
        _ => None,
    }
}

fn list(what: &str, names: &BTreeSet<String>) {
    if !names.is_empty() {
        say!("{what}: {}", names.iter().cloned().collect::<Vec<_>>().join(", "));
    }
}

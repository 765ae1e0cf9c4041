//! `electra devices`

use std::process::ExitCode;

/// Lists every device with the name that `--device` takes; the one that `auto` picks is marked.
pub fn run() -> ExitCode {
    let chosen = electra_burn::device::select("auto").map(|adapter| adapter.name);
    for adapter in electra_burn::device::adapters() {
        let mark = if chosen.as_ref().is_ok_and(|name| *name == adapter.name) { '*' } else { ' ' };
        say!("{mark} {:<12} {}", adapter.name, adapter.description);
    }
    say!("\n* is what `--device auto` picks.");
    ExitCode::SUCCESS
}

//! `electra completions`

use clap::CommandFactory;
use clap_complete::Shell;
use electra_burn::Result;
use std::process::ExitCode;

/// Print the completions of a shell.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra completions bash > ~/.local/share/bash-completion/completions/electra
  electra completions zsh > ~/.zfunc/_electra
  electra completions fish > ~/.config/fish/completions/electra.fish")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "electra", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}

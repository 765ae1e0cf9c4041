//! `electra`: parses the command line, runs the command, and turns an error into one message and an exit code.

mod allocator;
mod cli;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::keep_memory();
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            // Where the terminal is gone there is nowhere to print.
            _ = writeln!(std::io::stderr(), "error: {}", cli::plain(&error.to_string()));
            // 2: the user can mend it. 1: it failed on its way.
            ExitCode::from(if error.is_wrong_input() { 2 } else { 1 })
        }
    }
}

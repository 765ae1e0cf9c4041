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
            ExitCode::from(error.exit_code())
        }
    }
}

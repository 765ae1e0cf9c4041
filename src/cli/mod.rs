//! The command line: arguments -> library call -> output; no logic of its own.

/// Prints a line; a reader that has gone away (`| head`) is no reason to stop, still less to panic.
macro_rules! say {
    () => { say!("") };
    ($($argument:tt)*) => {{
        use std::io::Write;
        _ = writeln!(std::io::stdout(), "{}", $crate::cli::plain(&format!($($argument)*)));
    }};
}

/// Prints a line with colours; what comes from files has gone through [`plain`].
macro_rules! paint {
    ($($argument:tt)*) => {{
        use std::io::Write;
        _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

/// A text for a terminal. Control characters, which may stand in any file, are shown and not sent; lines and tabs stay.
pub fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    let moves = |character: char| character.is_control() && character != '\n' && character != '\t';
    if !text.contains(moves) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // As JSON writes it, so that an object stays one.
        if moves(character) { shown += &format!("\\u{:04x}", character as u32) } else { shown.push(character) }
    }
    shown.into()
}

/// The variables of the environment as configurations take them; those of other programs may hold what is not UTF-8.
///
/// # Errors
/// [`electra_burn::Error::Usage`] for one of ours that does.
pub fn environment() -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("ELECTRA_")) else { continue };
        let value =
            value.to_str().ok_or_else(|| electra_burn::Error::Usage(format!("{name} is not UTF-8; expected text")))?;
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

mod bench;
mod closing;
mod completions;
mod config;
mod corpus;
mod corrupt;
#[cfg(feature = "web")]
mod dashboard;
mod detect;
mod device;
mod devices;
mod evaluate;
mod explain;
mod export;
mod fill;
mod finetune;
mod glue;
mod import;
mod inputs;
mod inspect;
mod labelled;
mod plan;
mod predict;
mod pretrain;
mod progress;
mod reading;
mod report;
mod restart;
mod runs;
mod score;
#[cfg(feature = "web")]
mod serve;
mod signals;
mod terminal;
mod tokenizer;
mod training;
#[cfg(feature = "remote")]
mod worker;

use clap::{Parser, Subcommand};
use electra_burn::{Result, kernels};
use std::io::IsTerminal;
use std::process::ExitCode;

/// Pretrain ELECTRA text encoders by replaced token detection, on any GPU or CPU.
#[derive(Parser)]
#[command(name = "electra", version, about)]
#[command(after_help = "Examples:
  electra pretrain --preset small --corpus books.txt --output runs/mine
  electra finetune --task classification --model runs/mine/discriminator --train train.tsv --dev dev.tsv --output runs/intent
  echo 'Where is my card?' | electra predict --model runs/intent/model

electra COMMAND --help has more of them.")]
struct Arguments {
    /// Compute with Burn's operations alone, without the fused kernels for the CPU
    #[arg(long, global = true)]
    portable: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Pretrain a generator and a discriminator on text
    Pretrain(pretrain::Arguments),
    /// Fine-tune an encoder for a task
    Finetune(finetune::Arguments),
    /// Fine-tune an encoder for the tasks of the GLUE benchmark
    Glue(glue::Arguments),
    /// Judge a fine-tuned model on labelled data
    Evaluate(evaluate::Arguments),
    /// Let a fine-tuned model answer
    Predict(predict::Arguments),
    /// Show which tokens make a model say what it says, and measure how faithful that is
    Explain(explain::Arguments),
    /// Say for every token of a text how likely it is that it was replaced
    Detect(detect::Arguments),
    /// Fill every [MASK] in a text with the likeliest tokens
    Fill(fill::Arguments),
    /// Score sentences by what a network knows without fine-tuning, or pairs of a good and a bad one
    Score(score::Arguments),
    /// Corrupt a text with a generator and show the discriminator's verdict beside the truth
    Corrupt(corrupt::Arguments),
    /// Export both networks of a checkpoint in Hugging Face's layout
    Export(export::Arguments),
    /// Show what a model directory holds
    Inspect(inspect::Arguments),
    /// Rewrite a Hugging Face checkpoint, ELECTRA or BERT, in the layout that the other commands read
    Import(import::Arguments),
    /// Train a WordPiece tokenizer, take one over, or use one
    #[command(subcommand)]
    Tokenizer(tokenizer::Command),
    /// Build a token store, or look into one
    #[command(subcommand)]
    Corpus(corpus::Command),
    /// Print the settings of a run with what they mean, or check a file
    Config(config::Arguments),
    /// List runs: what they are at, their last validation, their size
    Runs(runs::Arguments),
    /// Show runs in a browser, as they train
    #[cfg(feature = "web")]
    Dashboard(dashboard::Arguments),
    /// Make a page of a run: figures, curves, configuration and origin
    Report(report::Arguments),
    /// Time training steps on random tokens
    Bench(bench::Arguments),
    /// List the devices that can be trained on, and check them
    Devices(devices::Arguments),
    /// Print the completions of a shell
    Completions(completions::Arguments),
    /// Answer over HTTP with a fine-tuned model
    #[cfg(feature = "web")]
    Serve(serve::Arguments),
    /// Serve the devices of this host to runs on other hosts
    #[cfg(feature = "remote")]
    Worker(worker::Arguments),
}

/// Whether output may be coloured: on a terminal, unless `NO_COLOR` says no (no-color.org).
fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Parses the command line and runs the command. Wrong usage ends the program with exit code 2.
pub fn run() -> Result<ExitCode> {
    let Arguments { portable, command } = Arguments::parse();
    kernels::set_portable(portable);
    match command {
        Command::Pretrain(arguments) => pretrain::run(arguments),
        Command::Finetune(arguments) => finetune::run(arguments),
        Command::Glue(arguments) => glue::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Detect(arguments) => detect::run(&arguments),
        Command::Fill(arguments) => fill::run(&arguments),
        Command::Score(arguments) => score::run(&arguments),
        Command::Corrupt(arguments) => corrupt::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Tokenizer(command) => tokenizer::run(&command),
        Command::Corpus(command) => corpus::run(&command),
        Command::Config(arguments) => config::run(arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        #[cfg(feature = "web")]
        Command::Dashboard(arguments) => dashboard::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        #[cfg(feature = "web")]
        Command::Serve(arguments) => serve::run(&arguments),
        #[cfg(feature = "remote")]
        Command::Worker(arguments) => worker::run(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every command has examples, and every example that it gives parses.
    #[test]
    fn every_command_has_examples_that_parse() {
        fn check(command: &clap::Command, examples: &mut usize) {
            if command.has_subcommands() {
                command
                    .get_subcommands()
                    .filter(|command| command.get_name() != "help")
                    .for_each(|c| check(c, examples));
                return;
            }
            let name = command.get_name();
            let help = command.get_after_help().unwrap_or_else(|| panic!("{name} has no examples")).to_string();
            for line in help.lines().filter_map(|line| line.split_once("electra ").map(|(_, rest)| rest)) {
                // As a shell: quotes hold together, redirections end the arguments.
                let (mut words, mut word, mut quoted) = (vec!["electra".to_owned()], String::new(), false);
                for character in line.split(['>', '<']).next().unwrap_or_default().chars().chain([' ']) {
                    match character {
                        '\'' => quoted = !quoted,
                        ' ' if !quoted => {
                            words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                        }
                        other => word.push(other),
                    }
                }
                if let Err(error) = Arguments::try_parse_from(&words) {
                    panic!("{name}: `electra {line}`: {error}");
                }
                *examples += 1;
            }
        }
        let mut examples = 0;
        check(&Arguments::command(), &mut examples);
        assert!(examples > 25, "only {examples} examples");
    }
}

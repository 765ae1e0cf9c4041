//! The command line: arguments -> library call -> output; no logic of its own.

/// Prints a line; a reader that has gone away (`| head`) is no reason to stop, still less to panic.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

mod bench;
mod corpus;
mod corrupt;
mod detect;
mod device;
mod devices;
mod evaluate;
mod export;
mod fill;
mod finetune;
mod glue;
mod import;
mod inspect;
mod predict;
mod pretrain;
mod reading;
mod report;
mod runs;
mod signals;
mod tokenizer;
mod training;
#[cfg(feature = "remote")]
mod worker;

use clap::{Parser, Subcommand};
use electra_burn::{Result, kernels};
use std::process::ExitCode;

/// Pretrain ELECTRA text encoders by replaced token detection, on any GPU or CPU.
#[derive(Parser)]
#[command(name = "electra", version, about)]
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
    /// Say for every token of a text how likely it is that it was replaced
    Detect(detect::Arguments),
    /// Fill every [MASK] in a text with the likeliest tokens
    Fill(fill::Arguments),
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
    /// List runs: what they are at, their last validation, their size
    Runs(runs::Arguments),
    /// Make a page of a run: figures, curves, configuration and origin
    Report(report::Arguments),
    /// Time training steps on random tokens
    Bench(bench::Arguments),
    /// List the devices that can be trained on, and check them
    Devices(devices::Arguments),
    /// Serve the devices of this host to runs on other hosts
    #[cfg(feature = "remote")]
    Worker(worker::Arguments),
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
        Command::Detect(arguments) => detect::run(&arguments),
        Command::Fill(arguments) => fill::run(&arguments),
        Command::Corrupt(arguments) => corrupt::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Tokenizer(command) => tokenizer::run(&command),
        Command::Corpus(command) => corpus::run(&command),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        #[cfg(feature = "remote")]
        Command::Worker(arguments) => worker::run(arguments),
    }
}

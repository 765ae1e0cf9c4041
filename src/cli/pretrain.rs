//! `electra pretrain`

use super::closing;
use super::device::Devices;
use super::reading::Reading;
use super::training::displayed;
use electra_burn::config::{self, Config, Source};
use electra_burn::learner::{self, Faults, RunOptions};
use electra_burn::scoring::pairs;
use electra_burn::{Error, Result, hub, kernels};
use electra_runs::{RunState, Status};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Pretrain a generator and a discriminator on text.
///
/// Without arguments: a small demonstration on the corpus that is compiled in, a few minutes on two CPU cores.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra pretrain
  electra pretrain --preset small --corpus books.txt news/*.jsonl.gz --output runs/mine
  electra pretrain --corpus books.txt --steps 20000 --batch-size 32 --learning-rate 5e-4
  electra pretrain mine.toml --device wgpu:0,wgpu:1 --set training.steps=100000
  electra pretrain --resume runs/mine
  electra pretrain --preset base --device cuda --dry-run")]
pub struct Arguments {
    /// Configuration file (TOML); its keys override the preset's
    config: Option<PathBuf>,
    /// Preset to start from: demo, tiny, modern-small, modern-base, small, base or large [default: demo, or tiny with a corpus]
    #[arg(long)]
    preset: Option<String>,
    /// Files, folders or globs (text, JSON lines, CSV, TSV, Parquet; gzip, zstd, xz), or a token store
    #[arg(long, num_args = 1.., value_name = "PATH")]
    corpus: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Begin from this ElectraForPreTraining, with its tokenizer and architecture
    #[arg(long, value_name = "DIR")]
    init_discriminator: Option<PathBuf>,
    /// Begin from this ElectraForMaskedLM
    #[arg(long, value_name = "DIR", requires = "init_discriminator")]
    init_generator: Option<PathBuf>,
    /// Resume this run after its newest checkpoint; --set may change its length, its intervals and training.precision
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "preset", "output", "init_discriminator"])]
    resume: Option<PathBuf>,
    /// With --resume: start the run over at step 0; its checkpoints and records move into a folder of it
    #[arg(long, requires = "resume")]
    restart: bool,
    /// Run directory, new or empty [default: the next free runs/NAME-N]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    usual: Usual,
    #[command(flatten)]
    devices: Devices,
    /// Override a configuration key, for example training.steps=1000
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Say what the run would take, in memory and time, and begin nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Print lines even on a terminal
    #[arg(long)]
    no_tui: bool,
}

/// Keys of the configuration that are set most often, as options of their own.
#[derive(clap::Args)]
struct Usual {
    /// Optimizer steps of the whole run (training.steps)
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Sequences in a batch (data.batch_size)
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Tokens in a sequence with [CLS] and [SEP] (data.sequence_length)
    #[arg(long, value_name = "N")]
    sequence_length: Option<usize>,
    /// Peak learning rate (optimizer.learning_rate)
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Seed of everything random (seed)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Format of the operands of matrix products: auto, f32, tf32, f16 or bf16 (training.precision)
    #[arg(long, value_name = "FORMAT")]
    precision: Option<String>,
}

impl Usual {
    /// What was given, as `--set` takes it.
    fn assignments(&self) -> Vec<String> {
        let number = |value: Option<usize>| value.map(|value| value.to_string());
        let given = [
            ("training.steps", number(self.steps)),
            ("data.batch_size", number(self.batch_size)),
            ("data.sequence_length", number(self.sequence_length)),
            ("optimizer.learning_rate", self.learning_rate.map(|rate| format!("{rate:e}").to_lowercase())),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("training.precision", self.precision.clone()),
        ];
        given.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect()
    }
}

impl Arguments {
    /// The options for single keys, then `--set`.
    fn assignments(&self) -> Vec<String> {
        [self.usual.assignments(), self.set.clone()].concat()
    }

    /// # Errors
    /// [`Error::Usage`] for a key that an option and `--set` both have.
    fn check_twice(&self) -> Result<()> {
        for given in self.usual.assignments() {
            let key = given.split('=').next().unwrap_or_default();
            if self.set.iter().any(|set| set.split('=').next().is_some_and(|other| other.trim() == key)) {
                return Err(Error::Usage(format!(
                    "{key} is given by --set and by an option of its own; expected one of them"
                )));
            }
        }
        Ok(())
    }
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    super::restart::check(arguments.restart, arguments.resume.is_some())?;
    arguments.check_twice()?;
    let environment = super::environment()?;
    let source = |file: Option<PathBuf>| Source {
        file,
        preset: arguments.preset.clone(),
        corpus: arguments.corpus.clone(),
        set: arguments.assignments(),
        environment,
        is_written: false,
    };
    let mut config = match &arguments.resume {
        Some(run) => learner::resumed_config(run, source)?,
        None => config::load(&source(arguments.config.clone()))?,
    };
    arguments.reading.apply(&mut config.corpus);
    config.init.discriminator = arguments.init_discriminator.clone().or(config.init.discriminator);
    config.init.generator = arguments.init_generator.clone().or(config.init.generator);
    let adapters = arguments.devices.open()?;
    let initial = match &arguments.resume {
        Some(run) if !arguments.restart && learner::has_checkpoint(run) => None,
        _ => hub::load_pair(&mut config, &adapters.main().device, &mut |note| say!("{note}"))?,
    };
    if arguments.dry_run {
        let bench = bench_command(&arguments, &config);
        if let Some(output) = arguments.output.as_ref().filter(|output| is_taken(output)) {
            return Err(Error::output(output, "the output directory is not empty; expected a new one"));
        }
        let is_pattern = |path: &Path| path.to_string_lossy().contains(['*', '?', '[']);
        let missing = |path: &&PathBuf| path.as_os_str() != "-" && !is_pattern(path) && !path.exists();
        if let Some(path) = config.data.corpus.iter().find(missing) {
            return Err(Error::input(path, "there is no such file or folder; expected text, or a token store"));
        }
        config.evaluation.pairs.as_deref().map(pairs::named).transpose()?;
        return super::plan::show(&config, &adapters, &bench);
    }
    if let Some(run) = arguments.resume.as_ref().filter(|_| arguments.restart) {
        super::restart::restart(run)?;
    }
    let output = arguments.resume.clone().or_else(|| arguments.output.clone());
    let output = output.unwrap_or_else(|| next_free(&name(&arguments, &config)));

    let device = adapters.main().device.clone();
    let options = displayed(&output, adapters, !arguments.no_tui)?;
    let options = RunOptions { resume: arguments.resume.is_some(), faults: faults()?, ..options };
    let report = learner::pretrain_from(&config, initial, options)?;
    let exported = match arguments.resume {
        Some(_) => hub::export_again(&output, report.trained()),
        None => hub::export(&output, report.trained()),
    };
    if let Err(error) = exported {
        // A run without its models is not finished; on a disk that is full the error itself matters more.
        _ = Status::write(RunState::Failed, Some(&error.to_string()), &output);
        return Err(error);
    }
    closing::print(&output, &config, &report);
    if report.interrupted.is_none() {
        let encoder = output.join("discriminator");
        let is_demonstration = config.data.corpus.is_empty();
        if is_demonstration && !config.objective.kind.predicts_words() && encoder.exists() {
            closing::judge(&encoder, &device)?;
        }
        closing::commands(&output, &config, is_demonstration);
    }
    Ok(if report.interrupted.is_some() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}

/// The command that times steps as those of the run.
fn bench_command(arguments: &Arguments, config: &Config) -> String {
    let file = arguments.config.as_ref().map_or_else(String::new, |file| format!(" {}", file.display()));
    let default = config::default_preset(!config.data.corpus.is_empty());
    let preset = arguments.preset.as_deref().unwrap_or(default);
    let assignments: String = arguments.assignments().iter().map(|set| format!(" {}", closing::quoted(set))).collect();
    let set = if assignments.is_empty() { assignments } else { format!(" --set{assignments}") };
    let portable = if kernels::is_portable() { " --portable" } else { "" };
    format!("electra bench{file} --preset {preset} --batch {}{portable}{set}", config.data.batch_size)
}

/// Whether `path` has something in it.
fn is_taken(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

/// What goes wrong on purpose, for tests of the program: `ELECTRA_FAULT=panic@STEP`, but not in a release.
fn faults() -> Result<Faults> {
    let asked = std::env::var("ELECTRA_FAULT").ok().filter(|_| cfg!(debug_assertions));
    let Some(fault) = asked else { return Ok(Faults::default()) };
    match fault.strip_prefix("panic@").and_then(|step| step.parse().ok()) {
        Some(step) => Ok(Faults { panic_at: Some(step), ..Faults::default() }),
        None => Err(Error::Usage(format!("ELECTRA_FAULT is \"{fault}\"; expected panic@STEP"))),
    }
}

/// What the run is called: the configuration file or the preset.
fn name(arguments: &Arguments, config: &Config) -> String {
    let file = arguments.config.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    let default = config::default_preset(!config.data.corpus.is_empty());
    file.or_else(|| arguments.preset.clone()).unwrap_or_else(|| default.into())
}

fn next_free(name: &str) -> PathBuf {
    let path = |number: usize| Path::new("runs").join(format!("{name}-{number}"));
    (1..).map(path).find(|path| !path.exists()).expect("numbers do not end before the file system does")
}

//! `electra evaluate`

use super::device::Answering;
use super::labelled::Labelled;
use super::progress::Working;
use electra_burn::tasks::read::{LEAST_ITEMS, Loaded, Need, check_options, read_sessions};
use electra_burn::tasks::{Cell, Input, Kind, Metrics, Predictor, Recommender, ResultTable};
use electra_burn::{Result, hub};
use std::path::PathBuf;
use std::process::ExitCode;

/// Judge a fine-tuned model on labelled data.
#[derive(clap::Args)]
#[command(after_help = "Example:
  electra evaluate --model runs/intent/model --data test.tsv")]
pub struct Arguments {
    /// Directory of the model, for example runs/intent/model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Labelled data, in a format of the task
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The task that another program has fine-tuned the model for, where its files do not say
    #[arg(long)]
    task: Option<Kind>,
    #[command(flatten)]
    labelled: Labelled,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answering: Answering,
}

/// Examples that are sorted by length together.
const CHUNK: usize = 2048;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (adapter, precision) = arguments.answering.open()?;
    let reading = &arguments.labelled.reading();
    let model = hub::place(&arguments.model, &["model"])?;
    if Recommender::is_at(&model) {
        check_options(Kind::Recommendation, reading)?;
        let recommender = Recommender::open(&model, &adapter.device)?;
        Recommender::check_precision(precision)?;
        let data = read_sessions(&arguments.data, LEAST_ITEMS, reading.skip_bad_rows)?;
        let (metrics, tables) = recommender.evaluate(&data)?;
        return Ok(show(arguments.json, "sessions", &data, metrics, &tables));
    }
    let mut predictor = Predictor::open_as(&arguments.model, arguments.task, &adapter.device)?;
    predictor.precision = precision;
    check_options(predictor.task.kind(), reading)?;
    let mut data = predictor.task.read(&arguments.data, Need::Required, reading)?;
    let inputs: Vec<Input> = data.rows.iter().take(CHUNK).map(|example| example.input.clone()).collect();
    data.notes.extend(predictor.note.clone());
    data.notes.extend(predictor.doubts(&inputs)?);
    data.notes.extend(arguments.answering.remark(&predictor, &inputs)?);
    let working = Working::through(data.rows.len(), "examples");
    let mut predictions = Vec::with_capacity(data.rows.len());
    for chunk in data.rows.chunks(CHUNK) {
        let inputs: Vec<Input> = chunk.iter().map(|example| example.input.clone()).collect();
        predictions.extend(predictor.predict(&inputs)?);
        working.add(chunk.len());
    }
    drop(working);
    let metrics = predictor.task.metrics(&data.rows, &predictions);
    let tables = predictor.task.tables(&data.rows, &predictions);
    Ok(show(arguments.json, "examples", &data, metrics, &tables))
}

/// The figures for `data`, whose rows are `what`.
fn show<T>(as_json: bool, what: &str, data: &Loaded<T>, metrics: Metrics, tables: &[ResultTable]) -> ExitCode {
    if as_json {
        let mut json = serde_json::json!({what: data.rows.len(), "skipped": data.skipped.count, "notes": data.notes, "tables": tables});
        for (name, value) in metrics {
            json[name] = value.into();
        }
        say!("{json}");
        return ExitCode::SUCCESS;
    }
    say!("{} {what} in {}", data.rows.len(), data.path.display());
    data.notes.iter().for_each(|note| say!("  {note}"));
    if data.skipped.count > 0 {
        say!("{} bad rows left out; the first ones:", data.skipped.count);
        data.skipped.first.iter().for_each(|message| say!("  {message}"));
    }
    metrics.iter().for_each(|(name, value)| say!("{name:<24} {value:>8.4}"));
    tables.iter().for_each(print);
    ExitCode::SUCCESS
}

/// A table with columns as wide as their cells; a confusion of many classes is only of use to programs.
fn print(table: &ResultTable) {
    if table.columns.len() > 20 {
        say!("\n{}: {} columns; --json has it", table.title, table.columns.len());
        return;
    }
    say!("\n{}", table.title);
    let cells = |row: &Vec<Cell>| row.iter().map(Cell::to_string).collect();
    let lines: Vec<Vec<String>> = std::iter::once(table.columns.clone()).chain(table.rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line.get(column).map_or(0, |cell| cell.chars().count())).max();
    let widths: Vec<usize> = (0..table.columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    for line in lines {
        let cell = |(number, cell): (usize, &String)| match number {
            0 => format!("{cell:<width$}", width = widths[0]),
            _ => format!("{cell:>width$}", width = widths[number]),
        };
        let cells: Vec<String> = line.iter().enumerate().map(cell).collect();
        say!("  {}", cells.join("  "));
    }
}

//! `electra explain`

use super::inputs::{by_line, parse};
use super::labelled::{Labelled, note};
use super::progress::Working;
use electra_burn::explain::{AttributedToken, Baseline, Curve, Explainer, Explanation, Faithfulness, Options, page};
use electra_burn::files::Replacement;
use electra_burn::tasks::read::{Reading, check_lines, check_options, holds_rows};
use electra_burn::tasks::{Input, Kind};
use electra_burn::{Error, Result, device};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show which tokens make a model say what it says, and measure how faithful that is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  electra explain --model runs/intent/model 'Where is my card?'
  electra explain --model runs/mine/discriminator --token 3 'The river carried the boat to the sea.'
  electra explain --model runs/ner/model --file sentences.txt --attention --html reasons.html
  electra explain --model runs/intent/model --evaluate test.tsv --limit 200")]
pub struct Arguments {
    /// Directory of a discriminator or of a fine-tuned model
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Texts, as `electra predict` reads lines (pairs between tabs); nothing reads them from standard input
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Read texts from a file in a format of the task, or with one a line; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "texts")]
    file: Option<PathBuf>,
    /// The task that another program has fine-tuned the model for, where its files do not say
    #[arg(long)]
    task: Option<Kind>,
    #[command(flatten)]
    labelled: Labelled,
    /// Of a discriminator the token, of tags the word that is explained, counted from 1 [default: the most suspicious
    /// token; each entity, or the most certain word]
    #[arg(long, value_name = "N")]
    token: Option<usize>,
    /// The label that is explained [default: the predicted one]
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// What a text is compared with: mask or pad, instead of each of its tokens
    #[arg(long, default_value = "mask", value_name = "TOKEN")]
    baseline: Baseline,
    /// Points between the two, at first: they are doubled until attributions add up
    #[arg(long, default_value = "32", value_name = "N")]
    steps: NonZeroUsize,
    /// Add the attention weights of every layer and head, to --json and --html
    #[arg(long)]
    attention: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Measure instead how faithful the explanations of these texts are, by deletion and insertion of their tokens
    #[arg(long, value_name = "FILE", conflicts_with_all = ["texts", "file", "token", "attention", "html"])]
    evaluate: Option<PathBuf>,
    /// With --evaluate, at most this many texts
    #[arg(long, value_name = "N", requires = "evaluate")]
    limit: Option<NonZeroUsize>,
    /// auto, or a name that `electra devices` lists
    #[arg(long, default_value = "auto", value_name = "NAME[:INDEX]")]
    device: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.attention && !arguments.json && arguments.html.is_none() {
        return Err(Error::Usage("--attention is shown by --json and --html; expected one of them beside it".into()));
    }
    // Clap does not ask for --evaluate where a text rules it out.
    if arguments.limit.is_some() && arguments.evaluate.is_none() {
        return Err(Error::Usage("--limit is for --evaluate; expected that beside it".into()));
    }
    let device = device::select(&arguments.device)?.device;
    let explainer = Explainer::open_as(&arguments.model, arguments.task, &device)?;
    explainer.note().iter().for_each(|note| eprintln!("{note}"));
    let options = Options {
        token: arguments.token,
        label: arguments.label.clone(),
        baseline: arguments.baseline,
        steps: arguments.steps.get(),
        attention: arguments.attention,
    };
    match &arguments.evaluate {
        Some(path) => evaluate(arguments, &explainer, path, &options),
        None => explain(arguments, &explainer, &options),
    }
}

fn explain(arguments: &Arguments, explainer: &Explainer, options: &Options) -> Result<ExitCode> {
    let inputs = match (&arguments.file, &arguments.texts[..]) {
        (Some(path), _) => read(explainer, path, arguments, usize::MAX)?,
        (None, []) => read(explainer, Path::new("-"), arguments, usize::MAX)?,
        (None, texts) => {
            let reading = arguments.labelled.reading();
            let inputs = texts.iter().map(|text| input(explainer, text, &reading));
            inputs.collect::<std::result::Result<_, _>>().map_err(Error::Usage)?
        }
    };
    let mut explanations = Vec::new();
    let working = Working::through(inputs.len(), "texts");
    for (number, input) in (1..).zip(&inputs) {
        let found = explainer.explain(input, options).map_err(|error| match error {
            Error::Usage(message) if inputs.len() > 1 => Error::Usage(format!("text {number}: {message}")),
            other => other,
        })?;
        explanations.extend(found);
        working.add(1);
    }
    drop(working);
    if explanations.is_empty() {
        return Err(Error::Usage("there is no text to explain".into()));
    }
    let model = arguments.model.display().to_string();
    if let Some(path) = &arguments.html {
        Replacement::whole(path, page(&model, &explanations).as_bytes())?;
    }
    if arguments.json {
        let baseline = match options.baseline {
            Baseline::Mask => "[MASK]",
            Baseline::Pad => "[PAD]",
        };
        say!("{}", json!({"model": model, "baseline": baseline, "explanations": explanations}));
    } else {
        let coloured = super::is_coloured();
        explanations.iter().for_each(|explanation| show(explanation, coloured));
    }
    Ok(ExitCode::SUCCESS)
}

/// The first `limit` inputs of a file; blank lines are none.
fn read(explainer: &Explainer, path: &Path, arguments: &Arguments, limit: usize) -> Result<Vec<Input>> {
    let reading = &arguments.labelled.reading();
    let kind = explainer.kind();
    kind.map_or_else(|| check_lines(reading), |kind| check_options(kind, reading))?;
    if let Some(kind) = kind
        && holds_rows(path, kind, reading)?
    {
        let data = explainer.read(path, reading)?;
        note(&data);
        return Ok(data.rows.into_iter().take(limit).map(|example| example.input).collect());
    }
    let is_blank = |input: &Input| match input {
        Input::Text(text) => text.trim().is_empty(),
        Input::Words(words) => words.is_empty(),
        _ => false,
    };
    let mut inputs = Vec::new();
    by_line(path, 1, reading, &|line| input(explainer, line, reading), &mut |chunk| {
        inputs.extend(chunk.iter().filter(|input| !is_blank(input)).cloned());
        Ok(inputs.len() < limit)
    })?;
    Ok(inputs)
}

fn input(explainer: &Explainer, line: &str, reading: &Reading) -> std::result::Result<Input, String> {
    explainer.kind().map_or_else(|| Ok(Input::Text(line.to_owned())), |kind| parse(line, kind, reading.format))
}

/// Columns of the bar of the largest attribution.
const BAR: f64 = 20.0;

/// What is explained, its text in colours where there are any, and a row a token.
fn show(explanation: &Explanation, coloured: bool) {
    let largest = explanation.largest();
    let paint = |text: &str, token: &AttributedToken| match shade(token.attribution / largest) {
        Some(shade) if coloured => format!("\x1b[48;5;{shade};38;5;16m{text}\x1b[0m"),
        _ => text.to_owned(),
    };
    let probability = explanation.probability.map_or_else(String::new, |p| format!(", probability {p:.4}"));
    say!("{}", explanation.explained);
    say!("output {:.4}{probability}; baseline {:.4}", explanation.output, explanation.baseline_output);
    say!(
        "attributions add up to {:.4} of {:.4} ({:.2} % off, {} points)",
        explanation.attributed,
        explanation.output - explanation.baseline_output,
        100.0 * explanation.completeness_error,
        explanation.steps
    );
    for runs in explanation.runs().iter().filter(|_| coloured) {
        let painted = runs.iter().map(|run| match run.token {
            Some(at) => paint(&plain(&run.characters), &explanation.tokens[at]),
            None => plain(&run.characters),
        });
        paint!("  {}", painted.collect::<String>());
    }
    say!("   no  {:<20} {:>11} {:>8}", "token", "attribution", "rollout");
    for (at, token) in explanation.tokens.iter().enumerate() {
        let size = (token.attribution.abs() / largest * BAR).round() as usize;
        let bar = if token.attribution < 0.0 { "-" } else { "+" }.repeat(size);
        let about = if explanation.positions.contains(&at) { "*" } else { " " };
        let name = format!("{:<20}", plain(&token.token));
        let name = paint(&name, token);
        let line = format!("{about}{at:>4}  {name} {:>+11.4} {:>8.4}  {bar}", token.attribution, token.rollout);
        paint!("{}", line.trim_end());
    }
    say!();
}

/// One of 256 colours for an attribution between -1 and 1, all light enough for black letters: blue for what speaks for
/// the output, orange for what speaks against it.
fn shade(strength: f64) -> Option<u8> {
    let ramp: [u8; 5] = if strength < 0.0 { [230, 223, 222, 215, 208] } else { [195, 159, 117, 75, 39] };
    let level = (strength.abs() * 5.0).ceil() as usize;
    // Weaker than a tenth is left as it is.
    (strength.abs() >= 0.1).then(|| ramp[level.clamp(1, 5) - 1])
}

/// A text from a file, without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn evaluate(arguments: &Arguments, explainer: &Explainer, path: &Path, options: &Options) -> Result<ExitCode> {
    let inputs = read(explainer, path, arguments, arguments.limit.map_or(usize::MAX, NonZeroUsize::get))?;
    let working = Working::on("taking tokens away and putting them back");
    let found = explainer.faithfulness(&inputs, options)?;
    drop(working);
    if arguments.json {
        let json = serde_json::to_value(&found).map_err(Error::internal)?;
        say!("{json}");
        return Ok(ExitCode::SUCCESS);
    }
    let Faithfulness { explained, left_out, shares, deletion, random_deletion, insertion, random_insertion } = &found;
    say!("{explained} explanations of texts in {}", path.display());
    if *left_out > 0 {
        say!("{left_out} texts without a token left out");
    }
    let curves: [(&str, &Curve); 4] = [
        ("deletion", deletion),
        ("at random", random_deletion),
        ("insertion", insertion),
        ("at random", random_insertion),
    ];
    let line = |name: &str, figure: &dyn Fn(&Curve) -> f64| {
        let cells: String = curves.iter().map(|(_, curve)| format!("  {:>10.4}", figure(curve))).collect();
        say!("{name:>6}{cells}");
    };
    say!("tokens{}", curves.iter().map(|(name, _)| format!("  {name:>10}")).collect::<String>());
    for (number, share) in shares.iter().enumerate() {
        line(&format!("{:.0} %", share * 100.0), &|curve| curve.values[number]);
    }
    line("area", &|curve| curve.area);
    Ok(ExitCode::SUCCESS)
}

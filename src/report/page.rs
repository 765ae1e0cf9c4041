//! The page, in the order of a reader's questions.

use super::html::{count, date, escape, section, table};
use super::{RunReport, chart, draw, facts};
use crate::error::Result;
use electra_runs::{Direction, RunState, format_value as value, metric, metric_order, time_budget, warnings};
use serde_json::Value;

const STYLE: &str = include_str!("style.css");

/// The whole page.
///
/// # Errors
/// A chart that cannot be drawn.
pub(super) fn page(run: &RunReport) -> Result<String> {
    let name = escape(run.name());
    let mut body = head(run);
    body += &warnings(run);
    body += &key_figures(run);
    body += &results(run);
    body += &validations(run);
    body += &curves(run)?;
    body += &examples(run);
    body += "<div class=\"columns\">\n";
    body += &facts::data(run);
    body += &facts::hardware(run);
    body += &facts::speed(run);
    body += "</div>\n";
    body += &facts::configuration(run);
    body += &facts::commands(run);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <footer>Made by electra-burn {} from the files of the run.</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    ))
}

fn head(run: &RunReport) -> String {
    let state = run.state.name();
    let class = if run.state == RunState::Interrupted { "stopped" } else { state };
    let what = match run.task() {
        None => "Pretraining by replaced token detection".to_owned(),
        Some("recommendation") => "Training of a recommender".to_owned(),
        Some(task) => format!("Fine-tuning for {}", escape(task)),
    };
    let began = run.facts.sessions.first().map(|session| format!(" · began {}", date(session.began)));
    format!(
        "<header>\n<h1>{} <span class=\"state {class}\">{state}</span></h1>\n<p class=\"note\">{what}{} · {}</p>\n</header>\n",
        escape(run.name()),
        began.unwrap_or_default(),
        steps(run)
    )
}

/// How far it is.
fn steps(run: &RunReport) -> String {
    let done = count(run.metrics.step as usize);
    match (run.number("training.steps"), time_budget(&run.config)) {
        (Some(all), _) => format!("step {done} of {}", count(all)),
        (None, Some(budget)) => format!("step {done} in a time budget of {budget}"),
        (None, None) => format!("step {done}"),
    }
}

/// What a reader should know before the figures.
fn warnings(run: &RunReport) -> String {
    let mut lines = Vec::new();
    match (run.state, &run.reason) {
        (RunState::Failed, Some(reason)) => lines.push(format!("It failed: {reason}")),
        (RunState::Failed, None) => lines.push("It failed, and did not say why.".into()),
        (RunState::Interrupted, Some(reason)) => lines.push(format!("It was stopped before its last step: {reason}.")),
        (RunState::Interrupted, None) => {
            lines.push("Its process ended before its last step without saying why.".into())
        }
        (RunState::Running | RunState::Finished, _) => {}
    }
    let metrics = &run.metrics;
    let (skipped, spikes, health) = (metrics.skipped_steps, metrics.loss_spikes, metrics.health());
    if skipped.times > 0 {
        let (sentence, last) = (warnings::skipped_steps(skipped.times), count(skipped.last as usize));
        lines.push(format!("{sentence}; the last before step {last}."));
    }
    if spikes.times > 0 {
        let (sentence, last) = (warnings::loss_spikes(spikes.times), count(spikes.last as usize));
        lines.push(format!("{}; the last time before step {last}.", sentence.replacen("the", "The", 1)));
    }
    if let Some(sentence) = health.sentence().filter(|_| health.verdict().is_trouble()) {
        lines.push(format!("It is {sentence}."));
    }
    lines.extend(run.problems.iter().map(|problem| format!("Damaged or missing: {problem}.")));
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.into_iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    format!("<ul class=\"warnings\">\n{lines}</ul>\n")
}

/// A few numbers in large type.
fn key_figures(run: &RunReport) -> String {
    let mut cards: Vec<(String, String, String)> = Vec::new();
    let mut last = |name: &str, note: &str| {
        if let Some(number) = run.metrics.last(name) {
            cards.push((metric(name).title.to_owned(), value(number), note.to_owned()));
        }
    };
    let by = results_metric(run);
    if run.metrics.last("mlm_loss").is_some() {
        last("disc_auc", "0.5 is chance");
        let entropy = run.metrics.last("disc_entropy").map(|entropy| format!("entropy {}", value(entropy)));
        last("disc_loss", &entropy.unwrap_or_default());
        let verdict = run.metrics.health().verdict();
        last("disc_gain", &if verdict.is_known() { verdict.to_string() } else { String::new() });
        last("mlm_loss", "nats");
        last("mlm_accuracy", "of the hidden words");
    } else {
        last("loss", "last validation");
        if let Some(by) = &by {
            last(by, "last validation");
        }
    }
    let mut more = |title: &str, figure: Option<String>, note: &str| {
        cards.extend(figure.map(|figure| (title.to_owned(), figure, note.to_owned())));
    };
    more("Parameters", Some(run.facts.parameters).filter(|&n| n > 0).map(count), "");
    more("Speed", run.metrics.median_speed().map(|speed| count(speed.round() as usize)), "tokens a second");
    more("Time", run.facts.time(), "of training");
    let card = |(title, figure, note): (String, String, String)| {
        let (title, figure, note) = (escape(title), escape(figure), escape(note));
        format!(
            "<div class=\"card\"><h3>{title}</h3><p class=\"figure\">{figure}</p><p class=\"note\">{note}</p></div>\n"
        )
    };
    if cards.is_empty() {
        return String::new();
    }
    format!("<div class=\"cards\">\n{}</div>\n", cards.into_iter().map(card).collect::<String>())
}

/// The metric that chose the checkpoint of fine-tuning.
fn results_metric(run: &RunReport) -> Option<String> {
    let chosen = run.results.as_ref().and_then(|results| results["metric"].as_str()).map(str::to_owned);
    chosen.or_else(|| run.value("metric")?.as_str().map(str::to_owned))
}

/// What fine-tuning has come to.
fn results(run: &RunReport) -> String {
    let Some(results) = &run.results else { return String::new() };
    let Some(dev) = results["dev"].as_object() else { return String::new() };
    let baseline = &results["baseline"];
    let by = baseline["name"].as_str().unwrap_or("baseline");
    let number = |value_of: &Value| value_of.as_f64().map_or_else(|| "-".into(), value);
    let row = |(name, dev): (&String, &Value)| {
        let (test, guess) = (&results["test"][name], &baseline["metrics"][name]);
        let about = metric(name);
        vec![about.title.to_owned(), number(dev), number(test), number(guess), about.meaning.to_owned()]
    };
    let mut rows: Vec<_> = dev.iter().collect();
    rows.sort_by_key(|(name, _)| metric_order(name));
    let best = match (results["best_step"].as_u64(), results_metric(run)) {
        (Some(step), Some(metric)) => format!(
            "<p class=\"note\">The model is that of step {}, the best on dev by {}.</p>\n",
            count(step as usize),
            escape(metric)
        ),
        _ => String::new(),
    };
    section("Results", &(best + &table(&["", "dev", "test", by, "what it says"], rows.into_iter().map(row))))
}

/// First, best and last validation.
fn validations(run: &RunReport) -> String {
    let mut names: Vec<&str> = run.metrics.names("valid").collect();
    names.sort_by_key(|name| metric_order(name));
    if names.is_empty() {
        return section("Validation", "<p class=\"note\">There is no validation yet.</p>\n");
    }
    let row = |name: &&str| {
        let curve = run.metrics.get(name, "valid")?;
        let ((first, last), (least, most)) = (curve.ends()?, curve.extremes()?);
        let about = metric(name);
        let best = match about.direction {
            Direction::Lower => Some(least),
            Direction::Higher => Some(most),
            Direction::Neither => None,
        };
        let best =
            best.map_or_else(|| "-".into(), |(step, best)| format!("{} (step {})", value(best), count(step as usize)));
        let title =
            if about.unit.is_empty() { about.title.to_owned() } else { format!("{} ({})", about.title, about.unit) };
        Some(vec![title, value(first.1), best, value(last.1), about.meaning.to_owned()])
    };
    let steps = names.first().and_then(|name| run.metrics.get(name, "valid")?.ends());
    let head = steps.map_or(["first".into(), "last".into()], |(first, last)| {
        [format!("step {}", count(first.0 as usize)), format!("step {}", count(last.0 as usize))]
    });
    let on = if run.task().is_some() { "Validation on dev" } else { "Validation on held-out documents" };
    section(on, &table(&["", &head[0], "best", &head[1], "what it says"], names.iter().filter_map(row)))
}

fn curves(run: &RunReport) -> Result<String> {
    let mut body = String::new();
    for chart in chart::charts(&run.metrics) {
        let title = escape(&chart.title);
        // Inside of HTML the name space goes without saying, and the picture is as wide as its place.
        let svg = draw::svg(&chart)?.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
        let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1);
        body += &format!("<figure>{}</figure>\n", svg.trim_end());
    }
    Ok(match body.is_empty() {
        true => section("Curves", "<p class=\"note\">There are no records to draw.</p>\n"),
        false => section("Curves", &format!("<div class=\"figures\">\n{body}</div>\n")),
    })
}

fn examples(run: &RunReport) -> String {
    if run.samples.is_empty() {
        return String::new();
    }
    let legend = "<p class=\"note\">Held-out text as the discriminator saw it. What the generator replaced is underlined, with \
                  the original struck out before it; the redder a token, the surer the discriminator is that it was \
                  replaced.</p>\n";
    section("Examples of corrupted text", &(legend.to_owned() + &run.samples.html()))
}

//! How the dashboard looks: everything on a large terminal, progress and one plot or the numbers on a small one.

use super::plot::{self, TRAIN, VALID};
use super::state::{DashboardState, Phase};
use super::text::{count, legend, number, sample, wrap};
use electra_runs::readable_duration as readable;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Gauge, List, ListItem, ListState, Paragraph};

/// Least size of the large layout.
const LARGE: (u16, u16) = (72, 20);

/// Least size of a plot; where there is less, numbers say more.
const PLOT: (u16, u16) = (30, 6);

/// Width of the table of numbers: name and two values.
const NUMBERS: u16 = 38;

/// Draws everything; `stopping` where the run was asked to stop.
pub fn view(frame: &mut Frame, state: &DashboardState, stopping: bool) {
    let area = frame.area();
    if area.width >= LARGE.0 && area.height >= LARGE.1 {
        large(frame, area, state, stopping);
    } else {
        compact(frame, area, state, stopping);
    }
    if state.help {
        help(frame, area);
    }
}

fn large(frame: &mut Frame, area: Rect, state: &DashboardState, stopping: bool) {
    let width = usize::from(area.width) - 2;
    let shown = state.sample.as_ref().map(|shown| sample(shown, width)).unwrap_or_default();
    // The sentence gets what it needs, but a third of the screen at most, and the lines what is left of that.
    let third = area.height / 3;
    let sentence = if shown.is_empty() { 0 } else { (shown.len() as u16 + 2).min(third.max(4)) };
    let news = third.saturating_sub(sentence).max(4);
    let constraints = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(PLOT.1),
        Constraint::Length(sentence),
        Constraint::Length(news),
        Constraint::Length(1),
    ];
    let [title, bar, figures, devices, middle, below, lines, keys] = Layout::vertical(constraints).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Min(1), Constraint::Length(NUMBERS)]).areas(middle);

    frame.render_widget(Line::from(vec![" electra ".bold(), format!(" {} ", state.start.run.display()).into()]), title);
    frame.render_widget(Line::from(phase(state, stopping)).right_aligned(), title);
    gauge(frame, bar, state);
    frame.render_widget(Line::raw(format!(" {}", figures_of(state))), figures);
    frame.render_widget(Line::raw(format!(" {}", state.start.devices.join(", "))).dark_gray(), devices);
    frame.render_widget(Line::raw(checkpoint(state)).right_aligned(), devices);
    one_plot(frame, left, state);
    numbers(frame, right, state);
    if let Some(newest) = &state.sample {
        let block = framed(format!(" held-out text after step {} ", newest.step)).title_bottom(legend());
        frame.render_widget(Paragraph::new(shown).block(block), below);
    }
    news_of(frame, lines, state);
    frame.render_widget(Line::raw(" q stop and save   tab next plot   ? help").dark_gray(), keys);
}

fn compact(frame: &mut Frame, area: Rect, state: &DashboardState, stopping: bool) {
    let constraints = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [progress, bar, time, middle, last] = Layout::vertical(constraints).areas(area);
    let (share, phase) = (Line::raw(share(state)), Line::from(phase(state, stopping)));
    let both = share.width() + phase.width() < usize::from(area.width);
    frame.render_widget(share, progress);
    gauge(frame, bar, state);
    if both {
        frame.render_widget(Line::raw(figures_of(state)), time);
        frame.render_widget(phase.right_aligned(), progress);
    } else {
        frame.render_widget(phase, time);
    }
    if middle.width >= PLOT.0 && middle.height >= PLOT.1 {
        one_plot(frame, middle, state);
    } else {
        numbers(frame, middle, state);
    }
    let line = match &state.warning {
        Some(warning) => Line::raw(warning.as_str()).yellow(),
        None => Line::raw("q stop   tab next   ? help").dark_gray(),
    };
    frame.render_widget(line, last);
}

fn framed(title: String) -> Block<'static> {
    Block::bordered().title(title).border_style(Style::new().dark_gray())
}

/// What the run is at.
fn phase(state: &DashboardState, stopping: bool) -> Span<'static> {
    match state.phase {
        _ if stopping => "stopping, saving… ".yellow().bold(),
        Phase::Starting => "starting ".into(),
        Phase::Compiling => format!("compiling and tuning kernels for {} s ", state.passed().as_secs()).yellow(),
        Phase::Training => "training ".fg(TRAIN),
        Phase::Validating => "validating ".fg(VALID),
        Phase::Saving => "saving a checkpoint ".green(),
    }
}

fn share(state: &DashboardState) -> String {
    format!("step {}{}", state.done, state.start.length.of())
}

fn gauge(frame: &mut Frame, area: Rect, state: &DashboardState) {
    let ratio = state.start.length.share(state.done);
    let label = format!("{} · {:.1} %", share(state), 100.0 * ratio);
    frame.render_widget(Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label).gauge_style(TRAIN), area);
}

/// Tokens and time, the most important first.
fn figures_of(state: &DashboardState) -> String {
    let mut figures = vec![format!("{} passed", readable(state.passed()))];
    figures.extend(state.left().map(|left| format!("{} left", readable(left))));
    figures.push(format!("{} tokens seen", count(state.tokens)));
    let speed = state.plots.iter().find(|plot| plot.name == "Tokens/s").and_then(|plot| plot.train.last());
    figures.extend(speed.map(|speed| format!("{} tokens/s", count(speed as usize))));
    figures.join(" · ")
}

fn checkpoint(state: &DashboardState) -> String {
    match state.checkpoint {
        None => "no checkpoint yet ".into(),
        // A clock that was set back says nothing.
        Some((step, time)) => {
            format!("checkpoint of step {step}, {} ago ", readable(time.elapsed().unwrap_or_default()))
        }
    }
}

fn one_plot(frame: &mut Frame, area: Rect, state: &DashboardState) {
    match state.plots.get(state.selected) {
        Some(plot) => plot::draw(frame, area, plot, (state.selected, state.plots.len())),
        None => frame.render_widget(framed(" no values yet ".into()), area),
    }
}

/// The last values of all numbers; the one that is plotted stands out.
fn numbers(frame: &mut Frame, area: Rect, state: &DashboardState) {
    let value = |value: Option<f64>| format!("{:>9}", value.map_or_else(|| "-".into(), number));
    let item = |plot: &super::state::Plot| {
        let (train, valid) = (value(plot.train.last()), value(plot.valid.last()));
        ListItem::new(Line::from(vec![format!("{:<16}", plot.name).into(), train.fg(TRAIN), valid.fg(VALID)]))
    };
    let mut list = List::new(state.plots.iter().map(item)).highlight_style(Style::new().bold().reversed());
    if area.height >= PLOT.1 {
        let title = Line::from(vec![format!("{:<18}", " number").into(), "train".fg(TRAIN), "    valid ".fg(VALID)]);
        list = list.block(framed(String::new()).title(title));
    }
    let mut selected = ListState::default().with_selected(Some(state.selected));
    frame.render_stateful_widget(list, area, &mut selected);
}

/// The last warning, and as many of the newest summary lines as have room.
fn news_of(frame: &mut Frame, area: Rect, state: &DashboardState) {
    let title = match state.warnings {
        0 => " newest ".to_owned(),
        1 => " newest, 1 warning ".to_owned(),
        warnings => format!(" newest, {warnings} warnings "),
    };
    let block = framed(title);
    let inside = block.inner(area);
    let (width, room) = (usize::from(inside.width), usize::from(inside.height));
    let mut rows: Vec<Line> = Vec::new();
    if let Some(warning) = &state.warning {
        rows.extend(wrap(warning, width).into_iter().take(room.div_ceil(2)).map(|row| Line::raw(row).yellow()));
    }
    let mut newest: Vec<String> = Vec::new();
    for line in state.lines.iter().rev() {
        let wrapped = wrap(line, width);
        if rows.len() + newest.len() + wrapped.len() > room {
            break;
        }
        newest.extend(wrapped.into_iter().rev());
    }
    rows.extend(newest.into_iter().rev().map(Line::raw));
    frame.render_widget(Paragraph::new(rows).block(block), area);
}

fn help(frame: &mut Frame, area: Rect) {
    let lines = [
        "q, Ctrl-C     stop after the current step and save",
        "Ctrl-C again  end at once, without saving",
        "tab, arrows   another plot",
        "Ctrl-L        redraw everything",
        "?, h          close this",
    ];
    let (width, height) = (57.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let text: Vec<Line> = lines.into_iter().map(Line::raw).collect();
    frame.render_widget(Paragraph::new(text).block(framed(" help ".into())), place);
}

#[cfg(test)]
mod tests;

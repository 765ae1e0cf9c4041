//! The dashboard on terminals of any size.

use super::super::state::DashboardState;
use super::view;
use electra_burn::learner::{Length, Phase, RunStart, Sample, SampleToken, StepEvent, ValidationEvent};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

/// A run of 600 steps after step 300.
fn state() -> DashboardState {
    let names = ["Disc loss", "Disc AUC", "MLM loss", "Rate", "Grad norm", "Tokens/s"];
    let mut state = DashboardState::new(RunStart {
        run: "runs/demo-1".into(),
        devices: vec!["flex (CPU, 2 threads), 7.6 GiB".into()],
        step: 0,
        tokens: 0,
        length: Length::of_steps(600),
        compiles: false,
        checkpoint: None,
        numbers: names.to_vec(),
    });
    for step in 1..=300 {
        let value = |place: usize| (place + 1) as f64 * 300.0 / f64::from(step as u32 + 99);
        let numbers = || names.into_iter().enumerate().map(|(place, name)| (name, value(place))).collect();
        state.step(&StepEvent { step, tokens: 2048, numbers: &numbers });
    }
    let numbers = [0, 1, 2].map(|place| (names[place], 0.8765));
    state.validated(&ValidationEvent { step: 300, numbers: &numbers, sample: None, norms: &[] });
    state.saved(300);
    state.add_summary("train     300/600 | mlm 5.433 acc 0.122 | disc 0.4150 (entropy 0.4205) auc 0.540");
    let token = |token: &str, original: Option<&str>, probability| SampleToken {
        token: token.into(),
        original: original.map(str::to_owned),
        probability: Some(probability),
    };
    let tokens = vec![
        token("river", None, 0.1),
        token("sang", Some("carried"), 0.9),
        token("boats", Some("sail"), 0.2),
        token("sea", None, 0.7),
    ];
    state.sample = Some(Sample { step: 300, tokens });
    state
}

fn draw(state: &DashboardState, (width, height): (u16, u16), stopping: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view(frame, state, stopping)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
}

fn shows(state: &DashboardState, size: (u16, u16), parts: &[&str]) {
    let shown = text(&draw(state, size, false));
    for part in parts {
        assert!(shown.contains(part), "\"{part}\" at {size:?} in\n{shown}");
    }
}

/// The colours of the cells where `word` stands.
fn colour(buffer: &Buffer, word: &str) -> Color {
    let shown = text(buffer);
    let row = shown.lines().position(|line| line.contains(word)).unwrap_or_else(|| panic!("{word} in\n{shown}"));
    let line = shown.lines().nth(row).unwrap();
    let column = line[..line.find(word).unwrap()].chars().count();
    buffer[(column as u16, row as u16)].fg
}

#[test]
fn a_large_terminal_shows_everything() {
    for size in [(120, 40), (80, 24)] {
        shows(
            &state(),
            size,
            &[
                "runs/demo-1",
                "training",
                "step 300/600 · 50.0 %",
                "614.4k tokens seen",
                "left",
                "flex (CPU, 2 threads), 7.6 GiB",
                "checkpoint of step 300, 0s ago",
                " Disc loss 1/6 ",
                "MLM loss",
                "Grad norm",
                "0.8765",
                "held-out text after step 300",
                "river sang[carried] boats[sail] sea",
                "train 300/600 | mlm 5.433",
                "q stop and save",
            ],
        );
    }
}

#[test]
fn curves_and_verdicts_have_their_colours() {
    let mut state = state();
    let buffer = draw(&state, (120, 40), false);
    let drawn = |colour| {
        let is_braille = |symbol: &str| symbol.chars().all(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        buffer.content().iter().filter(|cell| cell.fg == colour && is_braille(cell.symbol())).count()
    };
    assert!(drawn(super::TRAIN) > 40, "{}", text(&buffer));
    assert_eq!(colour(&buffer, "sang"), Color::Green);
    assert_eq!(colour(&buffer, "boats"), Color::Red);
    assert_eq!(colour(&buffer, "sea "), Color::Yellow);
    state.turn(1);
    shows(&state, (120, 40), &[" MLM loss 2/6 "]);
}

#[test]
fn a_small_terminal_shows_progress_and_a_plot() {
    let mut state = state();
    shows(&state, (40, 10), &["step 300/600", "training", "50.0 %", "left", "Disc loss", "q stop"]);
    // Too low for a plot: the numbers.
    shows(&state, (40, 8), &["step 300/600", "MLM loss", "0.8765"]);
    state.warn("the disk is full");
    shows(&state, (40, 10), &["step 300: the disk is full"]);
    shows(&state, (10, 3), &["step 300/", "training"]);
}

#[test]
fn any_size_is_drawn() {
    let mut state = state();
    for help in [false, true] {
        state.help = help;
        for (width, height) in (0..90).step_by(7).flat_map(|width| (0..45).map(move |height| (width, height))) {
            draw(&state, (width, height), true);
        }
        for size in [(1, 1), (10, 3), (300, 100)] {
            draw(&state, size, false);
        }
    }
}

#[test]
fn what_the_run_is_at_is_said() {
    let mut state = state();
    for size in [(120, 40), (40, 10)] {
        assert!(text(&draw(&state, size, true)).contains("stopping, saving…"), "{size:?}");
    }
    state.help = true;
    shows(&state, (80, 24), &["stop after the current step and save"]);
    let mut state = DashboardState::new(RunStart { compiles: true, ..state.start });
    state.turn_to(Phase::Validating);
    shows(&state, (120, 40), &["compiling and tuning kernels for 0 s", "no checkpoint yet", "no values yet"]);
    state.step(&StepEvent { step: 1, tokens: 5, numbers: &Vec::new });
    shows(&state, (120, 40), &["training"]);
}

#[test]
fn warnings_stand_above_newer_lines() {
    let mut state = state();
    state.add_summary("valid 300/600 | mlm 5\nwarning: the discriminator says no more than the base rate");
    (0..100).for_each(|_| state.add_summary("train 301/600 | mlm 5"));
    for size in [(120, 40), (80, 24)] {
        shows(&state, size, &["step 300: the discriminator says no more than the base rate", "newest, 1 warning"]);
    }
}

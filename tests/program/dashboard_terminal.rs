//! The dashboard on a terminal, and that the terminal is as it was when the run has ended, however it ended.

use crate::common::backends::CPU;
use crate::common::program::{MICRO, directory, overridden, read};
use crate::common::tmux::Terminal;
use std::path::Path;
use std::process::Command;

/// Long enough that it does not end by itself.
const LONG: [&str; 4] =
    ["training.steps=1000000", "training.validate_every=50", "training.checkpoint_every=100", "training.log_every=10"];

/// The line that starts a run, which prints its exit code after it.
fn line(device: &str, before: &str, set: &[&str]) -> String {
    let micro = MICRO.iter().filter(|s| !overridden(s, set));
    let set: Vec<&str> = micro.chain(set).copied().collect();
    let program = env!("CARGO_BIN_EXE_electra");
    let run = format!("{program} pretrain --device {device} --output run --set {}", set.join(" "));
    format!("{before} sh -c 'echo $$ > pid; exec {run}'; echo code $?")
}

/// A shell that has written down how its terminal is set, and started a run.
fn started(at: &Path, before: &str, set: &[&str]) -> Option<Terminal> {
    let terminal = Terminal::open(at, (120, 40))?;
    terminal.enters("stty -a > before");
    terminal.enters(&line(CPU, before, set));
    Some(terminal)
}

/// The run has ended with `code`: the shell is back on the usual screen, the terminal set as it was.
fn is_restored(terminal: &Terminal, at: &Path, code: i32) -> String {
    let screen = terminal.waits_for(&format!("code {code}"));
    assert!(!terminal.is_alternate(), "{screen}");
    terminal.enters("stty -a > after; echo done with $((1 + 1))");
    terminal.waits_for("done with 2");
    assert_eq!(read(at.join("before")), read(at.join("after")));
    screen
}

fn process(at: &Path) -> String {
    read(at.join("pid")).trim().to_owned()
}

fn kill(signal: &str, process: &str) {
    assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
}

/// Steps of the checkpoints of the run.
fn checkpoints(at: &Path) -> Vec<usize> {
    let entries = std::fs::read_dir(at.join("run/checkpoints")).unwrap();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut steps: Vec<usize> =
        entries.filter_map(|entry| name(entry.unwrap()).strip_prefix("step-")?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

fn stopped_at(screen: &str) -> usize {
    let rest = screen.split("stopped after step ").nth(1).unwrap_or_else(|| panic!("no closing lines in\n{screen}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_run_is_shown_resized_and_stopped_by_a_key() {
    let directory = directory();
    let at = directory.path();
    let Some(terminal) = started(at, "", &LONG) else { return };
    // After a checkpoint and a validation everything has been seen.
    let screen = terminal.waits_for("checkpoint of step");
    assert!(terminal.is_alternate());
    for part in
        ["Disc loss 1/13", "MLM loss", "Disc AUC", "Grad norm", "tokens seen", "left", "flex (CPU", "held-out text"]
    {
        assert!(screen.contains(part), "\"{part}\" in\n{screen}");
    }
    let is_braille = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
    assert!(screen.chars().filter(|c| is_braille(*c)).count() > 20, "a curve in\n{screen}");

    terminal.presses("Right");
    terminal.waits_for("MLM loss 2/13");
    terminal.presses("?");
    terminal.waits_for("another plot");
    terminal.presses("?");
    terminal.waits_until("the help to go", |screen| !screen.contains("another plot"));

    terminal.resizes((40, 10));
    let small = terminal.waits_until("the small layout", |screen| {
        screen.starts_with("step ")
            && screen.contains("MLM loss 2/13")
            && screen.lines().all(|l| l.chars().count() <= 40)
    });
    let step = |screen: &str| screen.split(['/', ' ']).nth(1).map(str::to_owned);
    terminal.waits_until("progress", |screen| step(screen) != step(&small));
    terminal.resizes((9, 3));
    terminal.waits_until("the smallest layout", |screen| screen.starts_with("step ") && screen.chars().count() < 40);
    terminal.resizes((120, 40));
    terminal.waits_for("tokens seen");

    terminal.presses("q");
    let screen = is_restored(&terminal, at, 130);
    let step = stopped_at(&screen);
    assert!(screen.contains(&format!("stopped after step {step} (on the dashboard)")), "{screen}");
    assert_eq!(checkpoints(at).last(), Some(&step));

    // And a run that resumes from there has its dashboard too, and ends by Ctrl-C.
    terminal.enters("clear");
    let program = env!("CARGO_BIN_EXE_electra");
    terminal.enters(&format!("{program} pretrain --device {CPU} --resume run; echo code $?"));
    terminal.waits_for("tokens seen");
    terminal.presses("C-c");
    let screen = is_restored(&terminal, at, 130);
    assert!(stopped_at(&screen) > step, "{screen}");
}

#[test]
fn signals_save_and_restore_the_terminal() {
    for (signal, name) in [("-TERM", "SIGTERM"), ("-HUP", "SIGHUP")] {
        let directory = directory();
        let at = directory.path();
        let Some(terminal) = started(at, "", &LONG) else { return };
        terminal.waits_for("checkpoint of step");
        kill(signal, &process(at));
        let screen = is_restored(&terminal, at, 130);
        assert!(screen.contains(&format!("({name}); the checkpoint and both models were saved")), "{screen}");
        assert_eq!(checkpoints(at).last(), Some(&stopped_at(&screen)));
    }
}

/// The terminal and its shell go away while a run is shown: it ends as with a signal, with everything saved.
#[test]
fn a_terminal_that_goes_away_ends_the_run_in_order() {
    let directory = directory();
    let at = directory.path();
    let Some(terminal) = started(at, "", &LONG) else { return };
    terminal.waits_for("checkpoint of step");
    drop(terminal);
    let model = at.join("run/discriminator/model.safetensors");
    let begun = std::time::Instant::now();
    while !model.is_file() && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(model.is_file(), "nothing was saved");
    let status: serde_json::Value = serde_json::from_str(&read(at.join("run/status.json"))).unwrap();
    assert_eq!((status["state"].as_str(), status["reason"].as_str()), (Some("interrupted"), Some("SIGHUP")));
}

/// A second signal ends the process at once, and the terminal is restored all the same. The step is one that does not end
/// within the test.
#[test]
fn a_second_signal_restores_the_terminal_too() {
    let directory = directory();
    let at = directory.path();
    let set = ["training.accumulation=50000", LONG[0]];
    let Some(terminal) = started(at, "", &set) else { return };
    terminal.waits_for("no checkpoint yet");
    kill("-TERM", &process(at));
    terminal.waits_for("stopping, saving");
    kill("-TERM", &process(at));
    // As the shell says of a process that SIGTERM has ended.
    is_restored(&terminal, at, 128 + 15);
}

#[test]
fn a_panic_restores_the_terminal() {
    let directory = directory();
    let at = directory.path();
    let Some(terminal) = started(at, "ELECTRA_FAULT=panic@60", &LONG) else { return };
    let screen = is_restored(&terminal, at, 1);
    assert!(screen.contains("error: training stopped: a panic after step 60, on purpose"), "{screen}");
    assert!(!screen.contains("panicked at"), "{screen}");
}

#[test]
fn an_error_of_the_run_restores_the_terminal() {
    let directory = directory();
    let at = directory.path();
    // A weight that overflows makes every step bad.
    let set = ["training.max_bad_steps=3", "objective.discriminator_weight=1e300"];
    let Some(terminal) = started(at, "", &set) else { return };
    let screen = is_restored(&terminal, at, 1);
    assert!(screen.contains("not finite in 3 steps in a row"), "{screen}");
}

#[test]
fn a_run_that_ends_by_itself_leaves_its_closing_lines() {
    let directory = directory();
    let at = directory.path();
    let Some(terminal) = started(at, "", &[]) else { return };
    let screen = is_restored(&terminal, at, 0);
    assert!(screen.contains("held-out documents, step 0 -> 20:"), "{screen}");
}

/// The thread that trains waits for ever for a worker that has gone, and is left behind: the terminal is not.
#[test]
#[cfg(feature = "remote")]
fn a_lost_worker_restores_the_terminal() {
    let directory = directory();
    let at = directory.path();
    let mut worker = crate::common::worker::Worker::start(at, &[]);
    let Some(terminal) = Terminal::open(at, (120, 40)) else { return };
    terminal.enters("stty -a > before");
    let device = format!("{} --token-file token", worker.name);
    terminal.enters(&line(&device, "", &LONG));
    terminal.waits_for("checkpoint of step");
    worker.process.kill().unwrap();
    let screen = is_restored(&terminal, at, 1);
    assert!(screen.contains("has gone away") && screen.contains("--resume"), "{screen}");
}

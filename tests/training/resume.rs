//! A run that is stopped, by whatever, resumes as if nothing had happened.

use crate::common::backends::{Backend, CPU};
use crate::common::program::{MICRO, directory, electra, overridden, read, refused, succeeds, text};
use electra_burn::data::{Purpose, Rng};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Sixty steps with a record, a validation and a checkpoint at intervals that do not fit each other.
const SET: [&str; 7] = [
    "training.steps=60",
    "training.log_every=7",
    "training.validate_every=25",
    "training.checkpoint_every=10",
    "training.keep_checkpoints=2",
    "data.validation_sequences=4",
    "seed=3",
];

/// `device` is what stands after `--device`.
fn command(at: &Path, device: &str, arguments: &[&str], set: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_electra"));
    command.current_dir(at).env("ELECTRA_CACHE", at.join(".cache")).env("RAYON_NUM_THREADS", "1");
    command.args(["pretrain", "--device"]).args(device.split(' ')).args(arguments);
    if !arguments.contains(&"--resume") {
        command.arg("--set").args(MICRO.iter().filter(|s| !overridden(s, set))).args(set);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn whole(at: &Path, device: &str, output: &str) -> Duration {
    let started = Instant::now();
    succeeds(&command(at, device, &["--output", output], &SET).output().unwrap());
    started.elapsed()
}

/// The records without what a clock has a hand in, and the exported weights.
fn trace(run: &Path) -> (Vec<serde_json::Value>, Vec<u8>) {
    let record = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("tokens_per_second");
        record
    };
    let records = read(run.join("metrics.jsonl")).lines().map(record).collect();
    (records, std::fs::read(run.join("discriminator/model.safetensors")).unwrap())
}

fn same(at: &Path, one: &str, other: &str) {
    let ((records, weights), (other_records, other_weights)) = (trace(&at.join(one)), trace(&at.join(other)));
    assert_eq!(records, other_records);
    assert!(weights == other_weights, "the weights differ");
}

fn steps(run: &Path) -> usize {
    let records = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    records.lines().filter(|line| line.contains("\"train\"")).count()
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
}

/// SIGKILL at random moments: at most the steps after the last checkpoint are done again.
fn killed(device: &str, kills: usize) {
    let directory = directory();
    let at = directory.path();
    let time = whole(at, device, "whole");
    let mut rng = Rng::new(6, Purpose::Order, 0, 0);
    let (mut done, mut attempts) = (0, 0);
    while done < kills {
        assert!(attempts < 20 * kills, "{done} of {kills} kills in {attempts} attempts");
        attempts += 1;
        let started = at.join("killed/config.toml").exists();
        let arguments = if started { ["--resume", "killed"] } else { ["--output", "killed"] };
        let mut child = command(at, device, &arguments, &SET).spawn().unwrap();
        // Mostly early, so that a run survives to be killed again, sometimes anywhere.
        let share = if rng.below(3) == 0 { 1000 } else { 350 };
        std::thread::sleep(time * (20 + rng.below(share) as u32) / 1000);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            // Finished before it was killed: a new round.
            same(at, "whole", "killed");
            std::fs::remove_dir_all(at.join("killed")).unwrap();
        } else {
            assert_eq!(output.status.code(), None, "{}", text(&output.stderr));
            done += 1;
        }
    }
    let arguments =
        if at.join("killed/config.toml").exists() { ["--resume", "killed"] } else { ["--output", "killed"] };
    succeeds(&command(at, device, &arguments, &SET).output().unwrap());
    same(at, "whole", "killed");
}

crate::on_every_cpu_backend!(killed_runs_go_on_bit_for_bit);

fn killed_runs_go_on_bit_for_bit(backend: &Backend) {
    killed(backend.arguments, 10);
}

/// SIGTERM saves the step that it comes in: nothing is done twice.
#[test]
#[cfg(unix)]
fn a_terminated_run_loses_no_step() {
    let directory = directory();
    let at = directory.path();
    whole(at, CPU, "whole");
    let mut stops = Vec::new();
    for attempt in 0.. {
        let arguments = if attempt == 0 { ["--output", "stopped"] } else { ["--resume", "stopped"] };
        let before = steps(&at.join("stopped"));
        let mut child = command(at, CPU, &arguments, &SET).spawn().unwrap();
        // After the next record, so that every part gets somewhere.
        while steps(&at.join("stopped")) <= before && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_none() {
            terminate(&child);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.code() == Some(0) {
            break;
        }
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        let out = text(&output.stdout);
        let stop = out.split("stopped after step ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let stop: usize = stop.parse().unwrap();
        assert!(at.join(format!("stopped/checkpoints/step-{stop:07}/state.json")).is_file());
        if let Some(last) = stops.last() {
            assert!(out.contains(&format!("resuming after step {last},")), "{out}");
        }
        stops.push(stop);
    }
    assert!(stops.len() >= 2, "{stops:?}");
    same(at, "whole", "stopped");
}

crate::on_every_backend!(a_run_moves_to);

fn a_run_moves_to(backend: &Backend) {
    let directory = directory();
    let at = directory.path();
    let set: Vec<&str> =
        SET.iter().map(|s| if s.starts_with("training.steps") { "training.steps=30" } else { s }).collect();
    // Without dropout, which each backend draws for itself, and in a format that each has.
    let same = [
        "model.hidden_dropout_prob=0",
        "model.attention_probs_dropout_prob=0",
        "schedule.warmup_steps=6",
        "training.precision=\"f32\"",
    ];
    let run = |device: &str, arguments: &[&str], set: &[&str]| {
        succeeds(&command(at, device, arguments, &[set, &same].concat()).output().unwrap());
    };
    run(CPU, &["--output", "alone"], &set);
    run(CPU, &["--output", "moved"], &set);
    run(CPU, &["--resume", "alone", "--set", "training.steps=60"], &[]);
    run(backend.arguments, &["--resume", "moved", "--set", "training.steps=60"], &[]);
    let (alone, moved) = (trace(&at.join("alone")).0, trace(&at.join("moved")).0);
    assert_eq!(alone.len(), moved.len());
    for (one, other) in alone.iter().zip(&moved) {
        for key in ["mlm_loss", "disc_loss"] {
            let (one, other) = (one[key].as_f64().unwrap(), other[key].as_f64().unwrap());
            assert!((one - other).abs() < backend.tolerance.trajectory, "{key}: {one} and {other}");
        }
    }
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    let directory = directory();
    let at = directory.path();
    let set: Vec<&str> =
        SET.iter().map(|s| if s.starts_with("training.keep") { "training.keep_checkpoints=9" } else { s }).collect();
    succeeds(&command(at, CPU, &["--output", "whole"], &set).output().unwrap());
    succeeds(&command(at, CPU, &["--output", "run"], &set).output().unwrap());
    let file = |step: usize, name: &str| at.join(format!("run/checkpoints/step-{step:07}/{name}"));
    let bytes = std::fs::read(file(60, "model.bpk")).unwrap();
    std::fs::write(file(60, "model.bpk"), &bytes[..bytes.len() / 2]).unwrap();
    let mut bytes = std::fs::read(file(50, "optimizer.bpk")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(file(50, "optimizer.bpk"), bytes).unwrap();
    std::fs::remove_file(file(40, "state.json")).unwrap();
    // A line that a crash has cut off.
    let metrics = read(at.join("run/metrics.jsonl"));
    std::fs::write(at.join("run/metrics.jsonl"), &metrics[..metrics.len() - 30]).unwrap();
    let output = command(at, CPU, &["--resume", "run"], &set).output().unwrap();
    succeeds(&output);
    let out = text(&output.stdout);
    for part in [
        "step-0000060 is damaged (model.bpk",
        "step-0000050 is damaged (optimizer.bpk",
        "step-0000040 is damaged (state.json",
        "resuming after step 30",
    ] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    same(at, "whole", "run");
}

#[test]
fn what_must_not_change_is_named() {
    let directory = directory();
    let at = directory.path();
    succeeds(&command(at, CPU, &["--output", "run"], &["training.steps=4"]).output().unwrap());
    let resume =
        |set: &[&str]| electra(at, &[&["pretrain", "--device", CPU, "--resume", "run", "--set"], set].concat());
    refused(
        &resume(&["model.hidden_size=64", "seed=9", "training.steps=6"]),
        &["model.hidden_size: the run has 32, not 64", "seed: the run has", "cannot change when a run is resumed"],
    );
    assert_eq!(resume(&["model.hidden_size=64"]).status.code(), Some(2));
    let before = read(at.join("run/config.toml"));
    refused(
        &resume(&["training.steps=3"]),
        &["training.steps: 3, but 4 steps of the run are done; expected 4 or more"],
    );
    assert_eq!(read(at.join("run/config.toml")), before);
    succeeds(&resume(&["training.steps=6", "training.log_every=1"]));
    refused(&electra(at, &["pretrain", "--resume", "nowhere"]), &["nowhere", "there is no run here"]);
    std::fs::write(at.join("other.txt"), "some other text\n\n".repeat(400)).unwrap();
    refused(
        &electra(at, &["pretrain", "--resume", "run", "--corpus", "other.txt", "--set", "training.steps=8"]),
        &["model.vocab_size"],
    );
}

#[test]
fn two_processes_do_not_write_to_one_run() {
    let directory = directory();
    let at = directory.path();
    let set: Vec<&str> =
        SET.iter().map(|s| if s.starts_with("training.steps") { "training.steps=5000" } else { s }).collect();
    let set = [&set[..], &["schedule.warmup_steps=4"]].concat();
    let mut first = command(at, CPU, &["--output", "run"], &set).spawn().unwrap();
    while steps(&at.join("run")) == 0 {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = electra(at, &["pretrain", "--device", CPU, "--resume", "run"]);
    let id = first.id();
    first.kill().unwrap();
    first.wait().unwrap();
    refused(&second, &[&format!("process {id} is writing to this run")]);
    // A lock does not outlive its process.
    succeeds(&electra(at, &["pretrain", "--device", CPU, "--resume", "run", "--set", "training.steps=40"]));
}

/// A limit on the size of files stands for a disk that is full in the middle of a checkpoint: the optimizer's part is
/// larger than it, everything else is smaller.
#[test]
#[cfg(unix)]
fn a_full_disk_leaves_the_checkpoints_intact() {
    let directory = directory();
    let at = directory.path();
    whole(at, CPU, "whole");
    let set: Vec<&str> =
        SET.iter().map(|s| if s.starts_with("training.steps") { "training.steps=20" } else { s }).collect();
    let set = [&set[..], &["schedule.warmup_steps=6"]].concat();
    succeeds(&command(at, CPU, &["--output", "run"], &set).output().unwrap());
    let optimizer = std::fs::metadata(at.join("run/checkpoints/step-0000020/optimizer.bpk")).unwrap().len();
    let model = std::fs::metadata(at.join("run/checkpoints/step-0000020/model.bpk")).unwrap().len();
    assert!(model + 40_000 < optimizer, "{model} and {optimizer}");

    let mut limited = Command::new("sh");
    // Blocks of 512 bytes; a write beyond the limit is an error, where the signal is ignored.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", (model + optimizer) / 2 / 512);
    limited.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_electra"), "pretrain", "--device", CPU]);
    limited
        .args(["--resume", "run", "--set", "training.steps=60"])
        .current_dir(at)
        .env("ELECTRA_CACHE", at.join(".cache"));
    let output = limited.output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}{stderr}", text(&output.stdout));
    assert!(stderr.contains("step-0000030 cannot be written") && !stderr.contains("panicked"), "{stderr}");
    let left: Vec<_> = std::fs::read_dir(at.join("run/checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(["step-0000010", "step-0000020"].iter().all(|step| left.iter().any(|name| name == step)), "{left:?}");
    assert!(!left.iter().any(|name| name == "step-0000030"), "{left:?}");
    succeeds(&electra(at, &["pretrain", "--device", CPU, "--resume", "run", "--set", "training.steps=60"]));
}

/// A folder that cannot be written to, in a way that stops the superuser too.
#[test]
fn a_checkpoint_folder_that_vanishes_ends_the_run_with_its_name() {
    let directory = directory();
    let at = directory.path();
    let set: Vec<&str> =
        SET.iter().map(|s| if s.starts_with("training.steps") { "training.steps=100000" } else { s }).collect();
    let set = [&set[..], &["schedule.warmup_steps=6"]].concat();
    let mut child = command(at, CPU, &["--output", "run"], &set).spawn().unwrap();
    let checkpoints = at.join("run/checkpoints");
    while !checkpoints.join("step-0000010").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    while std::fs::rename(&checkpoints, at.join("run/aside")).is_err() {}
    // A write in between may have made the folder anew.
    while std::fs::write(&checkpoints, "in the way").is_err() {
        _ = std::fs::remove_dir_all(&checkpoints);
    }
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot be written") && !stderr.contains("panicked"), "{stderr}");
    std::fs::remove_file(&checkpoints).unwrap();
    std::fs::rename(at.join("run/aside"), &checkpoints).unwrap();
    let resumed = electra(at, &["pretrain", "--device", CPU, "--resume", "run", "--set", "training.steps=40"]);
    // Where the run had come further than that, there is nothing left to do.
    succeeds(&resumed);
}

#[test]
fn the_best_and_every_nth_checkpoint_are_kept() {
    let directory = directory();
    let at = directory.path();
    let set =
        [&SET[..6], &["training.keep_every=20", "training.keep_best=disc_auc", "training.validate_every=10"]].concat();
    let set: Vec<&str> = set.into_iter().filter(|s| *s != "training.validate_every=25").collect();
    succeeds(&command(at, CPU, &["--output", "run"], &set).output().unwrap());
    let records = trace(&at.join("run")).0;
    let auc = |r: &serde_json::Value| r["disc_auc"].as_f64().unwrap();
    let valid = records.iter().filter(|r| r["split"] == "valid" && r["step"] != 0);
    let best = valid.max_by(|a, b| auc(a).total_cmp(&auc(b))).unwrap()["step"].as_u64().unwrap();
    let mut expected: Vec<u64> = vec![20, 40, 50, 60, best];
    expected.sort_unstable();
    expected.dedup();
    let mut kept: Vec<u64> = std::fs::read_dir(at.join("run/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().trim_start_matches("step-").parse().unwrap())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, expected);
    refused(
        &electra(at, &["pretrain", "--set", "training.keep_best=luck"]),
        &["training.keep_best: expected one of mlm_loss", "found luck"],
    );
}

#[test]
fn a_time_budget_ends_a_run_and_a_longer_one_resumes_it() {
    let directory = directory();
    let at = directory.path();
    let set: Vec<&str> =
        SET[1..].iter().copied().chain(["training.time_budget=2s", "training.steps=1000000"]).collect();
    succeeds(&command(at, CPU, &["--output", "run"], &set).output().unwrap());
    let last = |split: &str| -> serde_json::Value {
        let records = read(at.join("run/metrics.jsonl"));
        let record = records.lines().rfind(|line| line.contains(&format!("\"split\":\"{split}\""))).unwrap();
        serde_json::from_str(record).unwrap()
    };
    let (train, valid) = (last("train"), last("valid"));
    let step = valid["step"].as_u64().unwrap();
    // The time may end during a validation, whose step then has no record of training.
    assert!(step > 0 && step - train["step"].as_u64().unwrap() < 7, "it ends with a validation: {train} {valid}");
    assert!(train["learning_rate"].as_f64().unwrap() < 2e-4, "the rate has fallen with the time: {train}");
    assert!(at.join(format!("run/checkpoints/step-{step:07}")).is_dir(), "and with a checkpoint");
    let listed = electra(at, &["runs", "run", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed["runs"][0]["state"], &listed["runs"][0]["steps"]), (&"finished".into(), &1_000_000.into()));

    let again = command(at, CPU, &["--resume", "run"], &[]).output().unwrap();
    succeeds(&again);
    assert!(text(&again.stdout).contains("training.time_budget, 2s, is used up"), "{}", text(&again.stdout));
    let longer = ["--resume", "run", "--set", "training.time_budget=4s"];
    succeeds(&command(at, CPU, &longer, &[]).output().unwrap());
    assert!(last("valid")["step"].as_u64().unwrap() > step);
}

/// It would end without a validation of what is exported.
#[cfg(unix)]
#[test]
fn a_time_budget_cannot_be_less_than_what_a_stopped_run_has_used() {
    let directory = directory();
    let at = directory.path();
    let set = [
        "training.time_budget=1h",
        "training.steps=1000000",
        "training.validate_every=100000",
        "training.checkpoint_every=100000",
    ];
    let mut run = command(at, CPU, &["--output", "run"], &set).spawn().unwrap();
    while steps(&at.join("run")) == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_secs(2));
    terminate(&run);
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let before = read(at.join("run/config.toml"));
    let shorter = command(at, CPU, &["--resume", "run", "--set", "training.time_budget=1s"], &[]).output().unwrap();
    refused(&shorter, &["training.time_budget: 1 s, but", "of the run are used; expected more"]);
    assert_eq!(read(at.join("run/config.toml")), before);
}

#[test]
fn runs_are_listed_with_what_became_of_them() {
    let directory = directory();
    let at = directory.path();
    let run = |name: &str, set: &[&str]| command(at, CPU, &["--output", name], set).output().unwrap();
    succeeds(&run("runs/done", &["training.steps=4"]));
    // A weight that overflows makes every step bad.
    let failed =
        run("runs/failed", &["training.steps=9", "training.max_bad_steps=2", "objective.discriminator_weight=1e300"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    let mut killed = command(at, CPU, &["--output", "runs/killed"], &["training.steps=5000"]).spawn().unwrap();
    while steps(&at.join("runs/killed")) == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let list = || -> serde_json::Value {
        let output = electra(at, &["runs", "--json"]);
        succeeds(&output);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let states = |list: &serde_json::Value| -> Vec<String> {
        list["runs"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&list()), ["finished", "failed", "running"]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let list = list();
    assert_eq!(states(&list), ["finished", "failed", "interrupted"]);
    assert_eq!((&list["runs"][0]["step"], &list["runs"][0]["steps"]), (&4.into(), &4.into()));
    assert!(list["runs"][1]["reason"].as_str().unwrap().contains("not finite in 2 steps in a row"));
    // A run that is stopped between two records has come as far as its newest checkpoint.
    std::fs::create_dir(at.join("runs/done/checkpoints/step-0000007")).unwrap();
    let later = electra(at, &["runs", "--json"]);
    let later: serde_json::Value = serde_json::from_slice(&later.stdout).unwrap();
    assert_eq!(later["runs"][0]["step"], 7);
    let table = electra(at, &["runs"]);
    succeeds(&table);
    assert_eq!(text(&table.stdout).lines().filter(|line| line.starts_with("runs/")).count(), 3);
    refused(&electra(at, &["runs", "nowhere"]), &["nowhere"]);
}

crate::on_every_backend!(a_resumed_run_agrees);

fn a_resumed_run_agrees(backend: &Backend) {
    let directory = directory();
    let at = directory.path();
    let dropout = ["model.hidden_dropout_prob=0", "model.attention_probs_dropout_prob=0", "schedule.warmup_steps=2"];
    let run = |arguments: &[&str], steps: &str| {
        let set = [&[steps, "training.log_every=2", "training.checkpoint_every=5"], &dropout[..]].concat();
        succeeds(&command(at, backend.arguments, arguments, &set).output().unwrap());
    };
    run(&["--output", "whole"], "training.steps=12");
    run(&["--output", "parts"], "training.steps=12");
    // The run stands at step 10 again, as after a crash.
    std::fs::remove_dir_all(at.join("parts/checkpoints/step-0000012")).unwrap();
    run(&["--resume", "parts"], "");
    let last = |name: &str| trace(&at.join(name)).0.last().unwrap().clone();
    let (whole, parts) = (last("whole"), last("parts"));
    assert_eq!((&whole["step"], &parts["step"]), (&12.into(), &12.into()));
    for key in ["mlm_loss", "disc_loss"] {
        let (whole, parts) = (whole[key].as_f64().unwrap(), parts[key].as_f64().unwrap());
        assert!((whole - parts).abs() < backend.tolerance.trajectory, "{key}: {whole} and {parts}");
    }
}

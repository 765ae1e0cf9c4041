//! How busy this machine is, and how busy a run keeps it, where Linux's `/proc` reports it; absent elsewhere.

use electra_runs::layout::LOCK;
use electra_runs::{Run, RunState};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time that a share of the processor is worked out over.
const SPAN: Duration = Duration::from_millis(800);

/// Counters of the system at a time, to be compared with later ones.
struct Sample {
    at: Instant,
    machine: Option<Times>,
    /// Ticks by process.
    processes: HashMap<u32, u64>,
}

/// Ticks of all processors.
#[derive(Clone, Copy)]
struct Times {
    busy: u64,
    all: u64,
}

/// Works out shares between two samples.
#[derive(Default)]
pub(super) struct Load {
    last: Mutex<Option<(Sample, Value)>>,
}

impl Load {
    /// What the machine and the processes that write to `runs` use by now. Shares of the processor are absent until there
    /// are two samples.
    pub(super) fn measure(&self, runs: &[Run]) -> Value {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known: HashMap<&str, u32> =
            runs.iter().filter_map(|run| Some((run.name.as_str(), process(run)?))).collect();
        // Several pages ask; each would shorten the span of the others.
        if let Some((sample, value)) = last.as_ref()
            && sample.at.elapsed() < SPAN
            && known.values().all(|process| sample.processes.contains_key(process))
            && value["runs"].as_object().is_some_and(|named| named.len() == known.len())
        {
            return value.clone();
        }
        let ticks = |process: &u32| Some((*process, process_ticks(*process)?));
        let now =
            Sample { at: Instant::now(), machine: machine(), processes: known.values().filter_map(ticks).collect() };
        let before = last.as_ref().map(|(sample, _)| sample);
        let all = before.and_then(|before| Some(now.machine?.all.saturating_sub(before.machine?.all)));
        let all = all.filter(|ticks| *ticks > 0).map(|ticks| ticks as f64);
        let busy = before.and_then(|before| Some(now.machine?.busy.saturating_sub(before.machine?.busy) as f64 / all?));
        let of_process = |process: &u32| {
            let before = before?.processes.get(process)?;
            Some(now.processes.get(process)?.saturating_sub(*before) as f64 / all?)
        };
        let processes: serde_json::Map<String, Value> = known
            .iter()
            .map(|(name, process)| {
                let value = json!({"process": process, "cpu": of_process(process), "memory": resident(*process)});
                ((*name).to_owned(), value)
            })
            .collect();
        let (used, total) = memory().unzip();
        let cores = std::thread::available_parallelism().map(usize::from).ok();
        let value = json!({"cpu": busy, "cores": cores, "memory": used, "memory_total": total, "runs": processes});
        *last = Some((now, value.clone()));
        value
    }
}

/// The process that writes to `run`, as it has put it into the lock; none where that has ended.
fn process(run: &Run) -> Option<u32> {
    let process = run.text(LOCK)?.trim().parse().ok()?;
    process_ticks(process)?;
    (super::listing::status(run).0 == RunState::Running).then_some(process)
}

fn proc(path: &str) -> Option<String> {
    if cfg!(target_os = "linux") { std::fs::read_to_string(format!("/proc/{path}")).ok() } else { None }
}

fn machine() -> Option<Times> {
    let text = proc("stat")?;
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).take(8).collect();
    // user nice system idle iowait irq softirq steal; what guests take is counted as user time.
    let idle = ticks.get(3)? + ticks.get(4)?;
    let all = ticks.iter().sum();
    Some(Times { busy: all - idle, all })
}

/// Ticks that the process has had, its threads' included.
fn process_ticks(process: u32) -> Option<u64> {
    let text = proc(&format!("{process}/stat"))?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Bytes of memory that are the process's now.
fn resident(process: u32) -> Option<u64> {
    kib(&proc(&format!("{process}/status"))?, "VmRSS:")
}

/// Bytes that are used and that there are.
fn memory() -> Option<(u64, u64)> {
    let text = proc("meminfo")?;
    let (total, available) = (kib(&text, "MemTotal:")?, kib(&text, "MemAvailable:")?);
    Some((total.saturating_sub(available), total))
}

/// Bytes after `key`.
fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_process_are_measured() {
        let load = Load::default();
        let first = load.measure(&[]);
        assert!(first["cpu"].is_null() && first["memory"].as_u64() < first["memory_total"].as_u64(), "{first}");
        std::thread::sleep(SPAN);
        let share = load.measure(&[])["cpu"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&share), "{share}");
        assert!(process_ticks(std::process::id()).is_some() && resident(std::process::id()) > Some(1 << 20));
        assert!(process_ticks(u32::MAX).is_none());
    }
}

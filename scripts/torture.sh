#!/usr/bin/env bash
# Kills a real run KILLS times with SIGKILL: at random moments, during a checkpoint, and while it resumes. Before every fifth
# resume a file of the newest checkpoint is made unreadable, of another schema, cut or removed, in turn. Then:
#
# - what is damaged is gone back from, what may be whole is refused with exit code 2 and left as it is;
# - no resume goes back further than the newest whole checkpoint, which lies at most 20 steps back;
# - no checkpoint goes away before a newer one is whole;
# - a run that comes to its end has the records and weights of an undisturbed one, bit for bit.
#
#     scripts/torture.sh CORPUS [KILLS] [STEPS]
set -euo pipefail
electra="${ELECTRA:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/debug/electra}"
exec python3 - "$(realpath "$electra")" "$(realpath "$1")" "${2:-100}" "${3:-1200}" <<'EOF'
import hashlib, json, os, random, re, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

electra, corpus, kills, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
EVERY, DAMAGE = 20, ["unreadable", "schema", "cut", "removed"]
random.seed(1)
work = Path(tempfile.mkdtemp())
os.environ |= {"ELECTRA_CACHE": str(work / "cache"), "RAYON_NUM_THREADS": "1"}
run, checkpoints = work / "run", work / "run/checkpoints"
first = [electra, "pretrain", "--device", "flex", "--no-tui", "--corpus", corpus, "--set", f"training.steps={steps}",
         "training.log_every=1", "training.validate_every=200", f"training.checkpoint_every={EVERY}",
         "training.keep_checkpoints=3", "data.batch_size=4", "data.sequence_length=64", "data.validation_sequences=16",
         "model.num_hidden_layers=2", "generator.num_hidden_layers=2", "--output"]
resume = [electra, "pretrain", "--device", "flex", "--no-tui", "--resume", str(run)]


def fail(why):
    print(f"FAILED after {done} kills: {why}; the run is in {work}")
    print((work / "log").read_text()[-2000:])
    sys.exit(1)


def is_whole(checkpoint):
    """Whether every file has the hash that state.json names."""
    try:
        state = json.loads((checkpoint / "state.json").read_text())
        same = lambda name, expected: hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == expected
        return state["schema"] == SCHEMA and all(same(*file) for file in state["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def all_steps():
    return sorted(int(path.name[5:]) for path in checkpoints.glob("step-*")) if checkpoints.is_dir() else []


def newest_whole():
    return max((step for step in all_steps() if is_whole(checkpoints / f"step-{step:07}")), default=0)


def last_record():
    found = 0
    if (run / "metrics.jsonl").is_file():
        for line in (run / "metrics.jsonl").read_text().splitlines():
            if match := re.match(r'{"step":(\d+),"split":"train"', line):
                found = int(match[1])
    return found


def snapshot():
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}


def records(at):
    return re.sub(r'"tokens_per_second":[^,}]*', "", (at / "metrics.jsonl").read_text())


def start(command):
    return subprocess.Popen(command, stdout=open(work / "log", "w"), stderr=subprocess.STDOUT, cwd=work)


def damage(kind):
    """Damages a file of the newest checkpoint; returns how to take that back."""
    newest = checkpoints / f"step-{all_steps()[-1]:07}"
    name = "state.json" if kind == "schema" else random.choice(["model.bpk", "optimizer.bpk", "state.json"])
    file, before = newest / name, (newest / name).read_bytes()
    if kind == "schema":
        state = json.loads(before)
        file.write_text(json.dumps(state | {"schema": state["schema"] + 1}))
    elif kind == "cut":
        file.write_bytes(before[: random.randrange(len(before))])
    else:
        file.unlink()
        if kind == "unreadable":
            # A directory, since the superuser may read every file.
            file.mkdir()

    def back():
        if file.is_dir():
            file.rmdir()
        file.write_bytes(before)

    return back


done, resumes, rounds, lost_most, checked, damaged_at = 0, 0, 1, 0, 0, -1
counts = {kind: 0 for kind in ["random", "checkpoint", "resume", *DAMAGE]}
begun = time.time()
whole = start(first + [str(work / "whole")])
if whole.wait():
    fail("the undisturbed run")
SCHEMA = json.loads(next((work / "whole/checkpoints").glob("step-*/state.json")).read_text())["schema"]
print(f"undisturbed run: {steps} steps in {time.time() - begun:.0f} s", flush=True)

while True:
    has_begun = (run / "config.toml").is_file()
    # The one checkpoint that there is may go back to step 0, which is refused; a second one makes that a way back.
    if has_begun and done and done % 5 == 0 and len(all_steps()) > 1 and damaged_at != done:
        damaged_at = done
        kind = DAMAGE[sum(counts[kind] for kind in DAMAGE) % 4]
        counts[kind] += 1
        back, before = damage(kind), snapshot()
        if kind in ("unreadable", "schema"):
            before = snapshot()
            code = start(resume).wait()
            if code != 2 or snapshot() != before:
                fail(f"a checkpoint that is {kind}: exit code {code}, or something was changed")
            back()
    # Where the newest is damaged, what it had was lost here, not by the run.
    expected, floor, newest = last_record(), newest_whole(), max(all_steps(), default=0)
    child = start(resume if has_begun else first + [str(run)])
    if done < kills:
        kind = ["random", "checkpoint", "resume"][done % 3]
        limit = {"random": random.uniform(0.3, 5), "checkpoint": 20, "resume": random.uniform(0, 0.4)}[kind]
        limit += time.time()
        # A checkpoint is written into a hidden neighbour; some of them are let pass.
        passing, seen = random.randrange(6), set()
        while time.time() < limit and child.poll() is None:
            if kind == "checkpoint":
                seen |= {path.name for path in checkpoints.glob(".step-*")} if checkpoints.is_dir() else set()
                if len(seen) > passing:
                    time.sleep(random.uniform(0, 0.02))
                    break
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
    code = child.wait()
    log = (work / "log").read_text()
    if has_begun:
        resumes += 1
        match = re.search(r"^resuming after step (\d+),", log, re.M)
        at = int(match[1]) if match else 0 if re.search(r"^training [\d,]+ parameters", log, re.M) else None
        if at is not None:
            checked += 1
            if at != floor:
                fail(f"it resumed after step {at}, step {floor} was whole")
            if newest == floor:
                lost_most = max(lost_most, expected - floor)
    if newest_whole() < floor:
        fail(f"the checkpoint of step {floor} went away, {newest_whole()} is the newest whole one")
    if code == 0:
        weights = [at / "discriminator/model.safetensors" for at in (work / "whole", run)]
        if weights[0].read_bytes() != weights[1].read_bytes() or records(work / "whole") != records(run):
            fail(f"round {rounds} differs from the undisturbed run")
        if done >= kills:
            break
        shutil.rmtree(run)
        rounds += 1
        continue
    if code != -signal.SIGKILL:
        fail(f"exit code {code}")
    done += 1
    counts[kind] += 1

if lost_most > EVERY:
    fail(f"{lost_most} steps were lost, more than the {EVERY} between two checkpoints")
print(f"{done} kills with SIGKILL in {time.time() - begun:.0f} s: {counts['random']} at random, {counts['checkpoint']} during a "
      f"checkpoint, {counts['resume']} during a resume")
print("newest checkpoint damaged before a resume: " + ", ".join(f"{counts[kind]} {kind}" for kind in DAMAGE))
print(f"{resumes} resumes, {checked} of them came to a step; each began at the newest whole checkpoint, at most {lost_most} steps "
      f"back (a checkpoint every {EVERY})")
print(f"checkpoints that went away before a newer one was whole: 0; {rounds} rounds ended as the undisturbed run, bit for bit")
shutil.rmtree(work)
EOF

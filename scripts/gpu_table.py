#!/usr/bin/env python3
"""Makes OUT/gpu.json and OUT/gpu.md of what scripts/gpu.sh has measured so far.

With --append FILE the table is added to FILE too; the exit code is then 0 if every measurement succeeded.
"""
import argparse, datetime, json, pathlib

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("out", type=pathlib.Path)
ap.add_argument("--append", type=pathlib.Path)
a = ap.parse_args()
log = a.out / "log"


def text(name):
    file = log / name
    return file.read_text(errors="replace") if file.exists() else ""


def objects(name):
    """The lines of a log that are JSON objects."""
    found = []
    for line in text(name).splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


measurements = []
for line in text("measurements.tsv").splitlines():
    name, code, seconds = line.split("\t")
    measurement = dict(name=name, exit_code=None if code == "skipped" else int(code), seconds=int(seconds))
    kind = name.split("-")[0]
    if kind in ("pytorch", "bench", "profile", "pretrain", "peaks"):
        measurement["results"] = objects(name)
    else:
        measurement["output"] = text(name)
    if measurement["exit_code"] != 0:
        measurement["errors"] = text(name + ".err")[-2000:]
    measurements.append(measurement)

card = text("card").strip()
ours = [m for m in measurements if m["name"].split("-")[0] == "bench" and m["results"]]
if card:
    title = card.split(",")[0]
elif ours:
    title = ours[0]["results"][0]["description"]
else:
    title = "unknown device"
now = datetime.datetime.now(datetime.timezone.utc)
whole = dict(card=title, query=card, date=now.isoformat(timespec="seconds"), measurements=measurements)
(a.out / "gpu.json").write_text(json.dumps(whole, indent=1) + "\n")


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def row(*cells):
    return "| " + " | ".join(cells) + " |"


lines = [f"## {title}, {now:%Y-%m-%d}", ""]
if card:
    lines += [f"`nvidia-smi` (name, driver, memory, clocks now and at most, power): {card}", ""]
lines += [row("step", "batch", "ms a step", "host ms", "tokens/s", "kernels", "GiB", "losses"), row(*["---"] * 8)]
for m in measurements:
    kind = m["name"].split("-")[0]
    if kind == "pytorch":
        for r in m["results"]:
            name = f"PyTorch {r['setting']}, {r['config']}"
            if "error" in r:
                lines.append(row(name, str(r["batch"]), "failed: " + r["error"].replace("|", "/")[:80], *[""] * 5))
                continue
            lines.append(row(name, f"{r['batch']} x {r['seq']}", number(r["step_ms"], 2), number(r["host_ms"], 2),
                             number(r["tokens_per_second"], 0), number(r.get("kernels"), 0), number(r.get("peak_gib"), 2),
                             " ".join(number(x, 3) for x in r["losses"])))
    elif kind == "bench":
        _, device, precision = m["name"].split("-")
        if not m["results"]:
            why = "no time left" if m["exit_code"] is None else f"failed: exit code {m['exit_code']}"
            lines.append(row(f"electra {device} {precision}", "", why, *[""] * 5))
        for r in m["results"]:
            host, memory, launches = r["host_seconds"], r["memory"], r["launches"]
            lines.append(row(f"electra {device} {precision}", f"{r['batch_size']} x {r['sequence_length']}",
                             number(1e3 * r["step_seconds"], 2), number(host and 1e3 * host, 2), number(r["tokens_per_second"], 0),
                             number(launches and launches["kernels"], 0), number(memory and memory[1] / 2**30, 2),
                             " ".join(number(x, 3) for x in r["losses"])))
for m in measurements:
    kind = m["name"].split("-")[0]
    if kind == "profile" and m["results"]:
        launches = m["results"][0]["launches"]
        lines += ["", f"A step of `{m['name'][8:]}`: {launches['kernels']} kernels from {launches['blocks']} blocks of "
                      f"{launches['operations']} operations. Longest together:", "", row("kernel", "times", "ms"), row(*["---"] * 3)]
        for kernel in launches["by_name"][:12]:
            seconds = kernel["seconds"]
            lines.append(row(f"`{kernel['name']}`", str(kernel["launches"]), number(seconds and 1e3 * seconds, 2)))
    if kind == "peaks" and m["results"]:
        r = m["results"][0]
        peaks = ", ".join(f"{p['gflops'] / 1e3:,.2f} TFLOP/s in {p['format']} ({p['size']})" for p in r["peaks"])
        lines += ["", f"Peaks: {peaks}; copy {number(r['copy_gbytes'])} GB/s; the step takes "
                      f"{number(r['share_of_floor'] and 1 / r['share_of_floor'])} times its floor."]
    if kind == "pretrain":
        trained = [r for r in m["results"] if r.get("split") == "train"]
        if trained:
            lines += ["", f"A run on `{m['name'][9:]}`: {number(trained[-1]['tokens_per_second'], 0)} tokens/s at step "
                          f"{trained[-1]['step']}."]
    if kind == "check":
        verdicts = [line for line in m["output"].splitlines() if "flex, by" in line or "from flex" in line]
        lines += ["", "`devices --check`: " + ("; ".join(" ".join(v.split()) for v in verdicts) or "not made") + "."]
    if kind == "test":
        result = [line for line in m["output"].splitlines() if line.startswith("test result")]
        lines += ["", f"Tests `{m['name'][5:]}`: {result[-1][13:] if result else 'not run'}"]
failed = [f"{m['name']} ({'no time left' if m['exit_code'] is None else 'exit code ' + str(m['exit_code'])})"
          for m in measurements if m["exit_code"] != 0]
if failed:
    lines += ["", "Not measured: " + ", ".join(failed) + "."]
table = "\n".join(lines) + "\n"
(a.out / "gpu.md").write_text(table)
if a.append:
    with open(a.append, "a") as file:
        file.write("\n" + table)
    print(f"{a.out}/gpu.json, table appended to {a.append}")
    raise SystemExit(1 if failed else 0)

#!/usr/bin/env python3
"""Reads a run with TensorBoard's own reader and compares every number with metrics.jsonl.

    python scripts/check_tensorboard.py RUN      # needs the package tensorboard

Every number of every record must be there at its step, equal in single precision, which is what the format holds, and no
number beside them, in a run that was resumed too. The configuration must be there as text, and the norms of the
weights at every validation, those of the gradients at every one after a step. Exit code 1 with what differs.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

# That a run was resumed is no news here.
logging.getLogger("tensorboard").setLevel(logging.ERROR)

SHOWN = 20


def recorded(run: Path) -> dict[tuple[str, int], float]:
    """Value by tag and step, as metrics.jsonl has it."""
    values = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        for name, value in record.items():
            if name != "step" and isinstance(value, (int, float)):
                values[f"{name}/{record['split']}", record["step"]] = value
    return values


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    run = Path(sys.argv[1])
    files = sorted(run.glob("events.out.tfevents.*"))
    reader = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    tags = reader.Tags()
    found, problems = {}, []
    for tag in tags["scalars"]:
        for event in reader.Scalars(tag):
            if (tag, event.step) in found:
                problems.append(f"{tag} at step {event.step} is there twice")
            found[tag, event.step] = event.value

    expected = recorded(run)
    norms = {key: value for key, value in found.items() if key[0].startswith("norm/")}
    scalars = {key: value for key, value in found.items() if key not in norms}
    for tag, step in sorted(expected.keys() - scalars.keys()):
        problems.append(f"{tag} at step {step} is missing")
    for tag, step in sorted(scalars.keys() - expected.keys()):
        problems.append(f"{tag} at step {step} is not in metrics.jsonl")
    for key in sorted(expected.keys() & scalars.keys()):
        if np.float32(expected[key]) != np.float32(scalars[key]):
            problems.append(f"{key[0]} at step {key[1]} is {scalars[key]}, in metrics.jsonl {expected[key]}")

    validations = {step for tag, step in expected if tag.endswith("/valid")}
    for what, steps in [("weights", validations), ("gradients", validations - {0})]:
        at = {step for tag, step in norms if tag.startswith(f"norm/{what}/")}
        if at != steps:
            problems.append(f"norms of the {what} are there at steps {sorted(at)}, not at {sorted(steps)}")
    if not all(np.isfinite(value) and value >= 0 for value in norms.values()):
        problems.append("a norm is negative or not finite")

    config = (run / "config.toml").read_text()
    texts = [event.tensor_proto.string_val[0].decode() for event in reader.Tensors("configuration")] if (
        "configuration" in tags["tensors"]
    ) else []
    if not any(config in text for text in texts):
        problems.append("the configuration is not there as text")
    elif reader.SummaryMetadata("configuration").plugin_data.plugin_name != "text":
        problems.append("the configuration is not for the text plugin")

    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"and {len(problems) - SHOWN} more")
    print(f"{len(files)} events files, {len(scalars)} numbers of {len(expected)}, {len(norms)} norms, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

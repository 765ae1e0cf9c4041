#!/usr/bin/env python3
"""A run of a million records to look at with `electra dashboard`: scripts/million_steps.py RUN [RECORDS]

Writes RUN/config.toml, status.json and metrics.jsonl (about 300 MB). The largest gradient norm, 1234.5, and the smallest
loss, 0.25, lie at one step each, so that it shows whether a chart keeps extremes.
"""

import math
import os
import random
import sys

run = sys.argv[1]
records = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
os.makedirs(run, exist_ok=True)
random.seed(7)
with open(os.path.join(run, "config.toml"), "w") as file:
    file.write(f"seed = 7\n[training]\nsteps = {records}\n")
with open(os.path.join(run, "status.json"), "w") as file:
    file.write('{"state": "finished"}\n')
with open(os.path.join(run, "metrics.jsonl"), "w") as file:
    for step in range(1, records + 1):
        share = step / records
        noise = random.gauss(0, 0.05)
        mlm = 2.5 + 7.5 * math.exp(-12 * share) + noise
        disc = 0.2 + 0.3 * math.exp(-5 * share) + noise / 10
        line = (
            f'"mlm_loss":{mlm:.14f},"mlm_accuracy":{0.6 - 0.05 * mlm:.14f},'
            f'"disc_loss":{0.25 if step == records * 2 // 3 else disc + 0.1:.14f},"disc_entropy":0.41551234567891,'
            f'"disc_accuracy":{1 - disc / 2:.14f},"disc_precision":{0.8 * share:.14f},"disc_recall":{0.6 * share:.14f},'
            f'"disc_auc":{0.5 + 0.45 * share:.14f},"replaced":{0.13 + noise / 50:.14f}'
        )
        norm = 1234.5 if step == records // 3 else 1 + abs(noise)
        file.write(
            f'{{"step":{step},"split":"train",{line},"learning_rate":{5e-4 * (1 - share):.6e},'
            f'"grad_norm":{norm},"tokens_per_second":{20000 + 4000 * noise:.2f}}}\n'
        )
        if step % 1000 == 0:
            file.write(f'{{"step":{step},"split":"valid",{line}}}\n')

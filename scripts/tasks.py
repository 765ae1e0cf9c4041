#!/usr/bin/env python3
"""Fine-tunes an encoder on nine labelled sets, with pretrained and with fresh weights, and prints a table.

    scripts/tasks.py DATA MODEL OUTPUT [--electra PATH] [--seeds 3] [--only NAME ...]

DATA holds a folder a set (cola, intent-banking77, rte-glue, sick-nli, sick-sts, ner-wnut17, qa-subjqa, rank-trecqa,
regression-vader-tweets). A set without a third file is judged on its second, and every tenth row of its first chooses
the checkpoint. Runs that are there already are not done again.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

# name, task, files to train on, to choose by and to judge by, metric, more flags
SETS = [
    ("intent-banking77", "classification", "train.tsv", None, "test.tsv", "accuracy", ["--epochs", "6"]),
    ("cola", "classification", "train.tsv", "dev.tsv", "test_ood.tsv", "matthews", ["--epochs", "10"]),
    ("rte-glue", "classification", "train.tsv", None, "dev.tsv", "accuracy", ["--epochs", "5"]),
    ("sick-nli", "classification", "train.tsv", "dev.tsv", "test.tsv", "accuracy", ["--epochs", "5"]),
    ("sick-sts", "regression", "train.tsv", "dev.tsv", "test.tsv", "pearson", ["--epochs", "5"]),
    ("regression-vader-tweets", "regression", "train.tsv", None, "test.tsv", "pearson", ["--epochs", "5"]),
    ("ner-wnut17", "token-classification", "train.conll", "dev.conll", "test.conll", "f1", ["--epochs", "8"]),
    ("qa-subjqa", "question-answering", "train.json", None, "dev.json", "f1", ["--epochs", "4", "--max-length", "384"]),
    ("rank-trecqa", "ranking", "train.tsv", "dev.tsv", "test.tsv", "map", ["--epochs", "4"]),
]


def split(path, folder):
    """Writes nine tenths of a file and the other tenth."""
    parts = [folder / f"{name}{path.suffix}" for name in ("train", "dev")]
    if path.suffix == ".json":
        data = json.loads(path.read_text())
        paragraphs = [(a["title"], p) for a in data["data"] for p in a["paragraphs"]]
        for which, part in enumerate(parts):
            kept = [p for at, p in enumerate(paragraphs) if (at % 10 == 9) == (which == 1)]
            articles = [{"title": title, "paragraphs": [paragraph]} for title, paragraph in kept]
            part.write_text(json.dumps({**data, "data": articles}))
        return parts
    header, *rows = path.read_text().splitlines(keepends=True)
    for which, part in enumerate(parts):
        part.write_text(header + "".join(row for at, row in enumerate(rows) if (at % 10 == 9) == (which == 1)))
    return parts


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=pathlib.Path)
    arguments.add_argument("model", type=pathlib.Path)
    arguments.add_argument("output", type=pathlib.Path)
    arguments.add_argument("--electra", default="target/debug/electra")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--only", nargs="*", default=[])
    arguments.add_argument("--flags", default="", help="more flags of electra finetune, in one string")
    options = arguments.parse_args()
    print("| set | task | metric | baseline | from scratch | pretrained | better by |\n|---|---|---|---|---|---|---|")
    for name, task, train, dev, test, metric, more in SETS:
        if options.only and name not in options.only:
            continue
        folder = options.output / name
        folder.mkdir(parents=True, exist_ok=True)
        source = options.data / name
        train_path, dev_path = (source / train, source / dev) if dev else split(source / train, folder)
        # Both at once, each on half of the cores: small batches leave cores idle.
        running = {}
        for kind in ("pretrained", "scratch"):
            run = folder / kind
            if not (run / "results.json").exists():
                command = [options.electra, "finetune", "--no-tui", "--device", "flex", "--task", task]
                command += ["--model", options.model, "--train", train_path, "--dev", dev_path]
                command += ["--test", source / test, "--output", run, "--metric", metric, *more]
                command += ["--seeds", str(max(options.seeds, 2)), *options.flags.split()]
                command += ["--from-scratch"] if kind == "scratch" else []
                environment = {**os.environ, "RAYON_NUM_THREADS": str(max(os.cpu_count() // 2, 1))}
                with open(folder / f"{kind}.log", "w") as log:
                    command = [str(part) for part in command]
                    running[kind] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        for kind, process in running.items():
            if process.wait() != 0:
                sys.exit(f"{name}, {kind}: exit code {process.returncode}; see {folder / kind}.log")
        results = {kind: folder / kind / "results.json" for kind in ("pretrained", "scratch")}
        figures = {kind: json.loads(path.read_text()) for kind, path in results.items()}
        spread = {kind: of["metrics"][metric] for kind, of in figures.items()}
        baseline = next(iter(figures["pretrained"]["seeds"].values()))["baseline"]
        cells = ["{median:.4f} ({least:.4f} to {most:.4f})".format(**spread[kind]) for kind in ("scratch", "pretrained")]
        better = spread["pretrained"]["median"] - spread["scratch"]["median"]
        print(f"| {name} | {task} | {metric} | {baseline['metrics'][metric]:.4f} ({baseline['name']}) | "
              f"{cells[0]} | {cells[1]} | {better:+.4f} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

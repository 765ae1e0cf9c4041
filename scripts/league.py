#!/usr/bin/env python3
"""The league: what an encoder is worth that was pretrained for MINUTES on two threads, ours and PyTorch's, by one table.

    scripts/league.py DATA CORPUS WORK [--minutes 30] [--rows ROW ..] [--seeds 2] [--tune-seeds 3] [--electra PATH]
                      [--python PATH] [--ceiling DIR] [--record DIR]

DATA holds a folder a set (intent-banking77, cola, sick-nli, sick-sts, ner-wnut17), CORPUS is a text. Rows:

    scratch          the architecture of `tiny` with random weights
    structured       the same with the weights that a pretraining of `tiny` begins with, untrained
    ours-2020        the paper's recipe at that size (dropout, weights of 0.02, a narrow generator)
    ours-before      `tiny` before its weights were structured
    ours-narrow      `tiny` before its generator was a language model worth having
    ours-tiny        the preset `tiny`
    ours-PRESET      any other preset of electra
    pytorch-electra  the paper's recipe in PyTorch, in the fastest of its settings here
    pytorch-bert     a masked language model of the same size, in the fastest of its settings here
    ceiling          the encoder in --ceiling, for example all-MiniLM-L6-v2 in ELECTRA's or BERT's layout, not trained here

Every encoder is fine-tuned by one recipe with --tune-seeds seeds. The score of a set is (score - scratch) / (ceiling - scratch),
that of a row the mean over sets. What is there already in WORK is not done again, so that the script can be stopped and resumed.
With --record every row's figures are kept in that directory as JSON, and rows that are there are read instead of being run: the
rows of one table can be run on different days of one machine.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

# name, task, files, metric, flags
SETS = [
    ("intent-banking77", "classification", ("train.tsv", None, "test.tsv"), "accuracy", ["--epochs", "30"]),
    ("cola", "classification", ("train.tsv", "dev.tsv", "test_ood.tsv"), "matthews", ["--epochs", "3"]),
    ("sick-nli", "classification", ("train.tsv", "dev.tsv", "test.tsv"), "accuracy", ["--epochs", "5"]),
    ("sick-sts", "regression", ("train.tsv", "dev.tsv", "test.tsv"), "pearson", ["--epochs", "5"]),
    ("ner-wnut17", "token-classification", ("train.conll", "dev.conll", "test.conll"), "f1", ["--epochs", "5"]),
]
# The paper's recipe on the architecture of `tiny`.
PAPER = ["model.hidden_dropout_prob=0.1", "model.attention_probs_dropout_prob=0.1", "model.initializer_range=0.02",
         "model.num_attention_heads=2", "init.positions=random", "generator.hidden_size=32", "generator.num_hidden_layers=4",
         "generator.num_attention_heads=1", "generator.intermediate_size=128", "data.batch_size=32",
         "optimizer.learning_rate=5e-4", "optimizer.generator_learning_rate=5e-4", "data.mask_probability=0.15"]
# `tiny` as it was before its generator became wider.
NARROW = ["generator.hidden_size=16", "generator.num_hidden_layers=1", "generator.num_attention_heads=1",
          "generator.intermediate_size=64", "data.mask_probability=0.15"]
# `tiny` as it was before its weights were structured too.
BEFORE = [*NARROW, "init.positions=sinusoidal", "optimizer.learning_rate=5e-4", "optimizer.generator_learning_rate=1e-4"]
# Rows of the preset `tiny` with other values.
VARIANTS = {"scratch": ["init.positions=sinusoidal"], "structured": ["optimizer.learning_rate=1e-9"], "ours-2020": PAPER,
            "ours-before": BEFORE, "ours-narrow": NARROW}


def few(folder, source):
    """Ten examples an intent to train on and two others to choose by, the same for every row."""
    header, *rows = (source / "train.tsv").read_text().splitlines(keepends=True)
    label = header.rstrip("\n").split("\t").index("label")
    by_label = {}
    for row in rows:
        by_label.setdefault(row.rstrip("\n").split("\t")[label], []).append(row)
    chosen = random.Random(0)
    parts = {"train": [], "dev": []}
    for name in sorted(by_label):
        drawn = chosen.sample(by_label[name], 12)
        parts["train"] += drawn[:10]
        parts["dev"] += drawn[10:]
    for name, lines in parts.items():
        (folder / f"{name}.tsv").write_text(header + "".join(lines))
    return folder / "train.tsv", folder / "dev.tsv"


class League:
    def __init__(self, options):
        self.o = options
        self.work = options.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "RAYON_NUM_THREADS": str(options.threads)}

    def run(self, command, log):
        """Runs a command to its end; its peak memory in MiB."""
        with open(log, "w") as out:
            process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, env=self.environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"exit code {process.returncode}: {' '.join(map(str, command))}; see {log}")
        return usage.ru_maxrss // 1024

    def store(self):
        """The tokens that every row is trained on, with the vocabulary of `tiny`."""
        store, tokenizer = self.work / "store", self.work / "tokenizer"
        if not tokenizer.exists():
            self.run([self.o.electra, "tokenizer", "train", "--corpus", self.o.corpus, "--vocab-size", "4096", "--output", tokenizer],
                     self.work / "tokenizer.log")
        if not store.exists():
            self.run([self.o.electra, "corpus", "build", "--corpus", self.o.corpus, "--tokenizer", tokenizer, "--output", store],
                     self.work / "store.log")
        return store

    def pretrain(self, row, seed):
        """The directory of the encoder of a row."""
        if row == "ceiling":
            return self.o.ceiling
        place = self.work / f"{row}-{seed}"
        facts = place.with_suffix(".json")
        if row.startswith("pytorch-"):
            if not facts.exists():
                flags = self.fastest(row)
                command = [self.o.python, pathlib.Path(__file__).with_name("league_pytorch.py"), self.store(), place, "--kind",
                           row.removeprefix("pytorch-"), "--minutes", self.o.minutes, "--threads", self.o.threads, "--seed", seed]
                memory = self.run([*command, *flags], place.with_suffix(".log"))
                told = json.loads(place.with_suffix(".log").read_text().splitlines()[-1])
                facts.write_text(json.dumps({**told, "flags": flags, "memory_mib": memory}))
            return place
        if not facts.exists():
            preset = "tiny" if row in VARIANTS else row.removeprefix("ours-")
            untrained = row in ("scratch", "structured")
            shutil.rmtree(place, ignore_errors=True)
            length = "training.steps=2" if untrained else f"training.time_budget={round(self.o.minutes * 60)}s"
            memory = self.run([self.o.electra, "pretrain", "--device", "flex", "--no-tui", "--preset", preset, "--corpus", self.store(),
                               "--output", place, "--set", f"seed={seed}", length, "training.keep_checkpoints=1",
                               "training.validate_every=1000", "training.checkpoint_every=5000", *VARIANTS.get(row, [])],
                              place.with_suffix(".log"))
            records = [json.loads(line) for line in (place / "metrics.jsonl").open()]
            valid = [record for record in records if record["split"] == "valid"]
            train = [record for record in records if record["split"] == "train"][-1]
            curve = [{key: record.get(key) for key in ("step", "mlm_loss", "disc_gain")} for record in valid]
            facts.write_text(json.dumps({"tokens": train["tokens_seen"], "memory_mib": memory, "curve": curve, **valid[-1]}))
        return place / "discriminator"

    def fastest(self, row):
        """The flags of PyTorch that do most steps in a minute."""
        found = self.work / f"{row}-settings.json"
        if not found.exists():
            results = []
            for flags in ([], ["--bf16"], ["--compile"], ["--bf16", "--compile"]):
                log = self.work / f"{row}-setting{''.join(flags)}.log"
                command = [self.o.python, pathlib.Path(__file__).with_name("league_pytorch.py"), self.store(), self.work / "setting",
                           "--kind", row.removeprefix("pytorch-"), "--minutes", "0.5", "--threads", self.o.threads]
                self.run([*command, *flags], log)
                results.append((json.loads(log.read_text().splitlines()[-1])["steps"], flags))
            found.write_text(json.dumps(sorted(results, reverse=True)))
        return json.loads(found.read_text())[0][1]

    def tune(self, row, seed, encoder):
        """The scores of an encoder by set, one a seed of fine-tuning; and its minimal pairs."""
        scores = {}
        for name, task, (train, dev, test), metric, flags in SETS:
            source, place = self.o.data / name, self.work / "tuned" / f"{row}-{seed}" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            files = (source / train, source / dev) if dev else few(self.work, source)
            results = place / "results.json"
            if not results.exists():
                # Of a run that was cut off.
                shutil.rmtree(place, ignore_errors=True)
                command = [self.o.electra, "finetune", "--device", "flex", "--no-tui", "--task", task, "--model", encoder,
                           "--train", files[0], "--dev", files[1], "--test", source / test, "--output", place, "--metric", metric,
                           "--seeds", max(self.o.tune_seeds, 2), *flags, *(["--from-scratch"] if row == "scratch" else [])]
                self.run(command, place.with_suffix(".log"))
            seeds = json.loads(results.read_text())["seeds"]
            scores[name] = [result["test"][metric] for result in seeds.values()]
        for network in ("discriminator", "generator"):
            model = encoder if network == "discriminator" else encoder.parent / "generator"
            if not (model / "model.safetensors").exists() or row == "ceiling":
                continue
            output = subprocess.run([str(self.o.electra), "score", "--device", "flex", "--model", str(model), "--english", "--json"],
                                    capture_output=True, text=True, env=self.environment)
            if output.returncode == 0:
                scores[f"pairs by the {network}"] = [json.loads(output.stdout)["accuracy"]]
        return scores

    def table(self, rows, runs):
        """Scores by row; the mean needs the rows from scratch and the ceiling."""
        names = [name for name, *_ in SETS]
        means = {row: {name: statistics.mean(v for s in seeds for v in s[name]) for name in seeds[0]} for row, seeds in rows.items()}
        each = {}
        if "scratch" in means and "ceiling" in means:
            low, high = means["scratch"], means["ceiling"]

            def score(result, tuned):
                return statistics.mean((result[n][tuned] - low[n]) / (high[n] - low[n]) for n in names)

            # One score a seed of pretraining and of fine-tuning.
            each = {row: [score(seed, n) for seed in seeds for n in range(len(seed[names[0]]))] for row, seeds in rows.items()}
        columns = ["row", *names, "score", "deviation", "pairs (d, g)", "gain", "M tokens", "MiB"]
        print(f"| {' | '.join(columns)} |\n|" + "---|" * len(columns))
        for row in rows:
            cells = [f"{means[row][name]:.3f}" for name in names]
            scores = each.get(row, [])
            cells.append(f"{statistics.mean(scores):.3f}" if scores else "")
            cells.append(f"{statistics.stdev(scores):.3f}" if len(scores) > 1 else "")
            pairs = [means[row].get(f"pairs by the {network}") for network in ("discriminator", "generator")]
            cells.append(", ".join("-" if value is None else f"{value:.3f}" for value in pairs))
            run = runs.get(row) or {}
            cells.append(f"{run['disc_gain']:.4f} ± {run['disc_gain_error']:.4f}" if run.get("disc_gain") is not None else "-")
            cells.append(f"{run['tokens'] / 1e6:.1f}" if run.get("tokens") else "-")
            cells.append(str(run.get("memory_mib") or "-"))
            print(f"| {row} | {' | '.join(cells)} |")
        best = "ours-tiny"
        for row in [row for row in each if row not in (best, "ceiling")] if best in each else []:
            ahead = statistics.mean(each[best]) - statistics.mean(each[row])
            spread = max(statistics.stdev(scores) if len(scores) > 1 else 0 for scores in (each[best], each[row]))
            print(f"{best} is ahead of {row} by {ahead:.3f}, {'more' if ahead > 2 * spread else 'NOT more'} than twice {spread:.3f}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=pathlib.Path)
    arguments.add_argument("corpus", type=pathlib.Path)
    arguments.add_argument("work", type=pathlib.Path)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rows", nargs="+", default=["scratch", "structured", "ours-2020", "ours-before", "ours-narrow", "ours-tiny", "pytorch-electra", "pytorch-bert"])
    arguments.add_argument("--seeds", type=int, default=2, help="of pretraining, for our rows; PyTorch's have one")
    arguments.add_argument("--tune-seeds", type=int, default=3)
    arguments.add_argument("--electra", type=pathlib.Path, default=pathlib.Path("target/debug/electra"))
    arguments.add_argument("--python", default=sys.executable)
    arguments.add_argument("--ceiling", type=pathlib.Path)
    arguments.add_argument("--record", type=pathlib.Path)
    options = arguments.parse_args()
    options.electra = options.electra.resolve()
    if options.ceiling and "ceiling" not in options.rows:
        options.rows.append("ceiling")
    league, rows, runs = League(options), {}, {}
    for row in options.rows:
        once = row in ("scratch", "structured", "ceiling") or row.startswith("pytorch-")
        for seed in range(42, 43 if once else 42 + options.seeds):
            record = options.record / f"{row}-{seed}.json" if options.record else None
            if record and record.exists():
                kept = json.loads(record.read_text())
            else:
                encoder = league.pretrain(row, seed)
                facts = options.work / f"{row}-{seed}.json"
                run = json.loads(facts.read_text()) if facts.exists() else None
                kept = {"row": row, "seed": seed, "minutes": options.minutes, "threads": options.threads,
                        "scores": league.tune(row, seed, encoder), "run": run}
                if record:
                    record.parent.mkdir(parents=True, exist_ok=True)
                    record.write_text(json.dumps(kept, indent=1) + "\n")
            rows.setdefault(row, []).append(kept["scores"])
            runs.setdefault(row, kept["run"])
            print(f"{row}, seed {seed}: " + ", ".join(f"{n} {statistics.mean(v):.3f}" for n, v in kept["scores"].items()), file=sys.stderr)
    league.table(rows, runs)


if __name__ == "__main__":
    main()

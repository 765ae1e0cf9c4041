#!/usr/bin/env python3
"""The league: what an encoder is worth that was pretrained for MINUTES on two threads, ours and PyTorch's, by one table.

    scripts/league.py DATA CORPUS WORK [--minutes 30] [--rows ROW ..] [--seeds 2] [--tune-seeds 3] [--electra PATH]
                      [--python PATH] [--ceiling DIR] [--record DIR]

DATA holds a folder a set (intent-banking77, cola, sick-nli, sick-sts, ner-wnut17), CORPUS is a text. Rows:

    scratch          the architecture of `tiny` with fresh weights
    ours-2020        the paper's recipe at that size (dropout, weights of 0.02, a narrow generator)
    ours-tiny        the preset `tiny`
    ours-PRESET      any other preset of electra
    pytorch-electra  the paper's recipe in PyTorch, in the faster of its settings here
    pytorch-bert     a masked language model of the same size, in the faster of its settings here
    ceiling          the encoder in --ceiling, for example all-MiniLM-L6-v2 in ELECTRA's or BERT's layout, not trained here

Every encoder is fine-tuned by one recipe with --tune-seeds seeds. The score of a set is (score - scratch) / (ceiling - scratch),
that of a row the mean over sets. What is there already in WORK is not done again, so that the script can be stopped and resumed;
every result is kept as JSON in WORK, and with --record in that directory.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

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
         "optimizer.learning_rate=5e-4", "optimizer.generator_learning_rate=5e-4"]


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
        with open(log, "w") as out:
            code = subprocess.run([str(part) for part in command], stdout=out, stderr=out, env=self.environment).returncode
        if code:
            sys.exit(f"exit code {code}: {' '.join(map(str, command))}; see {log}")

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
                self.run([*command, *flags], place.with_suffix(".log"))
                facts.write_text(place.with_suffix(".log").read_text().splitlines()[-1])
            return place
        if not facts.exists():
            preset = "tiny" if row in ("scratch", "ours-2020") else row.removeprefix("ours-")
            sets = [f"seed={seed}", "training.keep_checkpoints=1", *(PAPER if row == "ours-2020" else [])]
            base = [self.o.electra, "pretrain", "--device", "flex", "--no-tui", "--preset", preset, "--corpus", self.store()]
            # Steps that fit the time, from the speed of a short run; a schedule by time will make this needless.
            trial = place.with_name(place.name + "-trial")
            if not trial.exists():
                self.run([*base, "--output", trial, "--set", *sets, "training.steps=200", "training.validate_every=200",
                          "training.checkpoint_every=200"], trial.with_suffix(".log"))
            records = [json.loads(line) for line in (trial / "metrics.jsonl").open()]
            train = [record for record in records if record["split"] == "train"][1:] or records
            tokens_a_step = train[-1]["tokens_seen"] / train[-1]["step"]
            speed = statistics.median(record["tokens_per_second"] for record in train)
            steps = 2 if row == "scratch" else max(int(0.97 * 60 * self.o.minutes * speed / tokens_a_step), 2)
            every = max(steps // 20, 1)
            begun = time.time()
            self.run([*base, "--output", place, "--set", *sets, f"training.steps={steps}", f"training.validate_every={every}",
                      f"training.checkpoint_every={every}"], place.with_suffix(".log"))
            records = [json.loads(line) for line in (place / "metrics.jsonl").open()]
            last = [record for record in records if record["split"] == "valid"][-1]
            seen = [record for record in records if record["split"] == "train"][-1]["tokens_seen"]
            facts.write_text(json.dumps({"steps": steps, "seconds": round(time.time() - begun, 1), "tokens": seen, **last}))
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

    def table(self, rows):
        """Scores by row; the mean needs from-scratch and the ceiling."""
        means = {row: {name: statistics.mean(v for s in seeds for v in s[name]) for name in seeds[0]} for row, seeds in rows.items()}
        names = [name for name, *_ in SETS]
        print("| row | " + " | ".join(names) + " | score | deviation of seeds | pairs (d, g) |\n|" + "---|" * (len(names) + 4))
        for row, seeds in rows.items():
            cells = [f"{means[row][name]:.3f}" for name in names]
            score, deviation = "", ""
            if "scratch" in means and "ceiling" in means:
                def of(result):
                    low, high = means["scratch"], means["ceiling"]
                    return statistics.mean((statistics.mean(result[n]) - low[n]) / (high[n] - low[n]) for n in names)
                each = [of(seed) for seed in seeds]
                score = f"{statistics.mean(each):.3f}"
                deviation = f"{statistics.stdev(each):.3f}" if len(each) > 1 else "-"
            pairs = [means[row].get(f"pairs by the {network}") for network in ("discriminator", "generator")]
            pairs = ", ".join("-" if value is None else f"{value:.3f}" for value in pairs)
            print(f"| {row} | {' | '.join(cells)} | {score} | {deviation} | {pairs} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=pathlib.Path)
    arguments.add_argument("corpus", type=pathlib.Path)
    arguments.add_argument("work", type=pathlib.Path)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rows", nargs="+", default=["scratch", "ours-2020", "ours-tiny", "pytorch-electra", "pytorch-bert"])
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
    league, rows, raw = League(options), {}, {}
    for row in options.rows:
        once = row in ("scratch", "ceiling") or row.startswith("pytorch-")
        for seed in range(42, 43 if once else 42 + options.seeds):
            encoder = league.pretrain(row, seed)
            scores = league.tune(row, seed, encoder)
            rows.setdefault(row, []).append(scores)
            facts = options.work / f"{row}-{seed}.json"
            raw[f"{row}-{seed}"] = {"scores": scores, "run": json.loads(facts.read_text()) if facts.exists() else None}
            print(f"{row}, seed {seed}: " + ", ".join(f"{n} {statistics.mean(v):.3f}" for n, v in scores.items()), file=sys.stderr)
    (options.work / "league.json").write_text(json.dumps(raw, indent=1))
    if options.record:
        options.record.mkdir(parents=True, exist_ok=True)
        (options.record / f"c-{options.minutes:g}-minutes.json").write_text(json.dumps(raw, indent=1) + "\n")
    league.table(rows)


if __name__ == "__main__":
    main()

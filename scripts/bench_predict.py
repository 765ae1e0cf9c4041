#!/usr/bin/env python3
"""Labels for short texts by transformers on the CPU, timed as a careful user would have it: texts sorted by length, batches padded
to their own longest, inference mode, the fast tokenizer.

  python scripts/bench_predict.py make  --tokenizer DIR --labels N --output DIR   a `small` with random weights
  python scripts/bench_predict.py time  --model DIR --texts FILE --output LABELS [--bf16]  one line of JSON: seconds, whole and model only

`make` writes a directory that `electra predict` reads too. Importing libraries and loading weights are outside the times.
"""
import argparse
import json
import os
import pathlib
import shutil
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def make(arguments):
    import torch
    from transformers import ElectraConfig, ElectraForSequenceClassification

    torch.manual_seed(0)
    labels = {number: f"label-{number}" for number in range(arguments.labels)}
    config = ElectraConfig(id2label=labels, label2id={label: number for number, label in labels.items()})
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (12, 256, 30522)
    model = ElectraForSequenceClassification(config)
    # With the usual weights every text would get about the same answer, and labels would say nothing about agreement.
    for name, weight in model.named_parameters():
        if weight.dim() == 2 and "embeddings" not in name:
            weight.data *= 3
    model.save_pretrained(arguments.output)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(arguments.tokenizer / name, arguments.output / name)
    path = arguments.output / "config.json"
    written = json.loads(path.read_text())
    written["electra_burn_task"] = {"task": "classification", "labels": list(labels.values()), "multi_label": False}
    written["electra_burn_max_length"] = 128
    path.write_text(json.dumps(written, indent=2) + "\n")


def measure(arguments):
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(arguments.threads)
    model = AutoModelForSequenceClassification.from_pretrained(arguments.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    texts = arguments.texts.read_text(encoding="utf-8").splitlines()
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]

    def answer(texts):
        begin = time.perf_counter()
        rows = tokenizer(texts, truncation=True, max_length=128, return_token_type_ids=False, return_attention_mask=False)["input_ids"]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        labels, of_model = [None] * len(rows), 0.0
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            for first in range(0, len(order), arguments.batch):
                numbers = order[first : first + arguments.batch]
                longest = len(rows[numbers[-1]])
                ids = torch.tensor([rows[at] + [tokenizer.pad_token_id] * (longest - len(rows[at])) for at in numbers])
                mask = torch.tensor([[1] * len(rows[at]) + [0] * (longest - len(rows[at])) for at in numbers])
                before = time.perf_counter()
                best = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).tolist()
                of_model += time.perf_counter() - before
                for at, label in zip(numbers, best):
                    labels[at] = names[label]
        return labels, time.perf_counter() - begin, of_model

    answer(texts[:256])
    processor = time.process_time()
    labels, seconds, of_model = answer(texts)
    processor = time.process_time() - processor
    arguments.output.write_text("\n".join(labels) + "\n", encoding="utf-8")
    print(json.dumps({"texts": len(texts), "seconds": seconds, "model_seconds": of_model, "cpu_seconds": processor}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    making, timing = commands.add_parser("make"), commands.add_parser("time")
    making.add_argument("--tokenizer", type=pathlib.Path, required=True)
    making.add_argument("--labels", type=int, default=77)
    timing.add_argument("--model", type=pathlib.Path, required=True)
    timing.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    timing.add_argument("--texts", type=pathlib.Path, required=True, help="one a line")
    timing.add_argument("--threads", type=int, default=os.cpu_count())
    timing.add_argument("--batch", type=int, default=64)
    making.set_defaults(run=make)
    timing.set_defaults(run=measure)
    for command in (making, timing):
        command.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.run(arguments)


main()

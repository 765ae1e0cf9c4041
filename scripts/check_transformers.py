#!/usr/bin/env python3
"""Holds a model directory against Hugging Face transformers: keys, classes, tokenizer and outputs.

  python scripts/check_transformers.py DIR [--electra PATH]

DIR is a discriminator or a generator that `electra pretrain` or `electra import` wrote, or a run that holds both. Exits with 1 at
the first difference. Needs torch and transformers; no network.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

TEXTS = [
    "Hello, my dog is cute",
    "The river carried the old boat slowly down to the sea.",
    "She opened the window, and the cold air smelled of snow; nobody spoke.",
]
TOLERANCE = 1e-4


def electra(program, *arguments):
    done = subprocess.run([program, *arguments, "--json", "--device", "flex"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def opened(cls, directory):
    model, info = cls.from_pretrained(directory, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            sys.exit(f"{directory}: {kind}: {sorted(info[kind])}")
    return model.eval(), AutoTokenizer.from_pretrained(directory)


def check_discriminator(program, directory):
    model, tokenizer = opened(AutoModelForPreTraining, directory)
    worst = 0.0
    for text in TEXTS:
        ours = electra(program, "detect", "--model", str(directory), text)["tokens"]
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0][1:-1].tolist()
        ids = encoded.input_ids[0][1:-1].tolist()
        if ids != [t["id"] for t in ours] or offsets != [[t["start"], t["end"]] for t in ours]:
            sys.exit(f"{directory}: the tokens of {text!r} differ")
        with torch.no_grad():
            theirs = model(**encoded).logits[0][1:-1].sigmoid().tolist()
        worst = max([worst] + [abs(a - t["replaced"]) for a, t in zip(theirs, ours)])
    print(f"{directory}: {type(model).__name__}, no missing and no unexpected keys, {len(TEXTS)} texts, "
          f"probabilities within {worst:.1e}")
    return worst


def check_generator(program, directory):
    model, tokenizer = opened(AutoModelForMaskedLM, directory)
    worst = 0.0
    for text in TEXTS:
        masked = " ".join(text.split()[:-1] + ["[MASK]"])
        ours = electra(program, "fill", "--model", str(directory), masked, "--top-k", "20")["masks"][0]
        encoded = tokenizer(masked, return_tensors="pt")
        at = (encoded.input_ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]
        with torch.no_grad():
            theirs = model(**encoded).logits[0, at].softmax(-1)
        worst = max([worst] + [abs(theirs[f["id"]].item() - f["probability"]) for f in ours])
        if tokenizer.convert_ids_to_tokens([f["id"] for f in ours]) != [f["token"] for f in ours]:
            sys.exit(f"{directory}: the tokens of {masked!r} differ")
    print(f"{directory}: {type(model).__name__}, no missing and no unexpected keys, {len(TEXTS)} texts, "
          f"probabilities within {worst:.1e}")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--electra", default="electra", help="the program, by default from PATH")
    arguments = parser.parse_args()
    both = [arguments.directory / name for name in ("discriminator", "generator")]
    directories = [d for d in both if d.is_dir()] or [arguments.directory]
    worst = 0.0
    for directory in directories:
        architecture = json.loads((directory / "config.json").read_text())["architectures"][0]
        check = check_generator if architecture == "ElectraForMaskedLM" else check_discriminator
        worst = max(worst, check(arguments.electra, directory))
    if worst > TOLERANCE:
        sys.exit(f"a difference of {worst:.1e} is more than {TOLERANCE:.0e}")
    print("passed")


main()

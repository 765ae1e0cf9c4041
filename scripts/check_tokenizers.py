#!/usr/bin/env python3
"""Random strings through `transformers`' tokenizers of BERT and ELECTRA and through ours: ids and offsets must be the same.

    scripts/check_tokenizers.py ELECTRA WORK [--strings 2000] [--seed 0]

WORK is a new directory. Strings are drawn from all planes of Unicode, with controls, combining marks, Chinese signs, emoji,
right-to-left text, words of the vocabulary and special tokens. Twelve settings: both classes, lower-casing, accents and Chinese
characters. It needs transformers.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import unicodedata

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
from transformers import BertTokenizerFast, ElectraTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BLOCKS = [(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x5d0, 0x6ff), (0x900, 0xdff), (0xe00, 0xeff), (0x1100, 0x11ff),
          (0x2000, 0x206f), (0x3040, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xfe00, 0xfe0f), (0x1f300, 0x1faff), (0x20000, 0x2a6d0),
          (0x0, 0x1f), (0x7f, 0x9f), (0xe0000, 0xe01ef), (0xf0000, 0xf0fff), (0x100000, 0x10ffff), (0xfff0, 0xffff)]


def strings(count, rng, words):
    def piece():
        kind = rng.random()
        if kind < 0.25:
            return rng.choice(words).replace("##", "")
        if kind < 0.32:
            return rng.choice([" ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u200d", "  "])
        low, high = rng.choice(BLOCKS)
        return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 4)))

    made = ["".join(piece() for _ in range(rng.randint(0, 14))) for _ in range(count)]
    return [text.encode("utf-8", "ignore").decode() for text in made]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("electra", type=pathlib.Path)
    arguments.add_argument("work", type=pathlib.Path)
    arguments.add_argument("--strings", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    options.work.mkdir(parents=True)
    rng = random.Random(options.seed)
    letters = [chr(c) for low, high in BLOCKS for c in rng.sample(range(low, high + 1), min(25, high - low + 1))
               if not unicodedata.category(chr(c)).startswith(("C", "Z"))]
    letters += [chr(c) for c in range(0x21, 0x7f)]
    words = list(dict.fromkeys(SPECIAL + letters + ["##" + letter for letter in letters] + ["the", "The", "river", "##ing", "café", "cafe", "北京"]))
    texts = strings(options.strings, rng, words)
    source = options.work / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    differing = 0
    settings = list(itertools.product((BertTokenizerFast, ElectraTokenizerFast), (True, False), (None, True, False)))
    for number, (cls, lower, strip) in enumerate(settings):
        chinese = number % 2 == 0
        place = options.work / f"setting-{number}"
        place.mkdir()
        (place / "vocab.txt").write_text("".join(word + "\n" for word in words))
        (place / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": cls.__name__.removesuffix("Fast"), "do_lower_case": lower, "strip_accents": strip,
            "tokenize_chinese_chars": chinese}))
        tokenizer = cls.from_pretrained(place)
        run = subprocess.run([str(options.electra.resolve()), "tokenizer", "encode", "--tokenizer", str(place), "--input", str(source)],
                             capture_output=True, text=True, check=True)
        found = [json.loads(line)["tokens"] for line in run.stdout.split("\n") if line]
        expected = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        wrong = 0
        for text, ours, ids, offsets in zip(texts, found, expected["input_ids"], expected["offset_mapping"], strict=True):
            if [t["id"] for t in ours] != ids or [(t["start"], t["end"]) for t in ours] != [tuple(o) for o in offsets]:
                wrong += 1
                if wrong <= 3:
                    print(f"{place.name}: {text!r}: {[(t['id'], t['start'], t['end']) for t in ours]}, expected {list(zip(ids, offsets))}",
                          file=sys.stderr)
        print(f"{cls.__name__}, lower-casing {lower}, strip_accents {strip}, Chinese characters {chinese}: "
              f"{len(texts)} strings, {sum(map(len, expected['input_ids']))} tokens, {wrong} differ")
        differing += wrong
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()

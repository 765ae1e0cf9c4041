#!/usr/bin/env python3
"""Directories of models and tokenizers as other programs write them, opened by `transformers` and by electra.

    scripts/check_foreign.py ELECTRA WORK

WORK is a new directory. The script makes some 50 small directories there. For each, either both programs give the same ids and the
same numbers (to 1e-5), or electra refuses it with exit code 2 and names the field that it cannot honour. Anything else is a silent
difference: the script lists it and exits with 1. It needs torch, transformers and safetensors.
"""
import argparse
import copy
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import torch
from safetensors.torch import load_file, save_file
from transformers import (AutoTokenizer, BertTokenizer, ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining,
                          ElectraForQuestionAnswering, ElectraForSequenceClassification, ElectraForTokenClassification)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = list("abcdefghijklmnopqrstuvwxyzäöüéABCDE") + ["北", "京", "か", "が"]
WORDS = SPECIAL + LETTERS + ["##" + letter for letter in LETTERS] + [
    "the", "cat", "runs", "good", "card", "boat", "River", "river", "café", "cafe", "##s", "##ing", ".", ",", "?"]
WORDS = list(dict.fromkeys(WORDS))
TEXTS = ["the cat runs", "The River, the café?", "北京 runs", "ÄÖÜ äöü É", "a good card.", "がか the"]


def config(**more):
    sizes = dict(vocab_size=len(WORDS), embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                 intermediate_size=48, max_position_embeddings=40, initializer_range=0.3)
    return ElectraConfig(**{**sizes, **more})


class Check:
    def __init__(self, electra, work):
        self.electra, self.work = electra.resolve(), work
        self.rows, self.failures = [], 0

    def run(self, *arguments):
        return subprocess.run([str(self.electra), *map(str, arguments)], capture_output=True, text=True)

    def make(self, name, cls=ElectraForPreTraining, vocabulary=WORDS, **more):
        """A directory with weights, config.json and vocab.txt."""
        torch.manual_seed(len(self.rows))
        place = self.work / name
        cls(config(**more)).eval().save_pretrained(place)
        (place / "vocab.txt").write_text("".join(word + "\n" for word in vocabulary))
        return place

    def change(self, place, file="config.json", **values):
        path = place / file
        json_of = json.loads(path.read_text()) if path.exists() else {}
        for key, value in values.items():
            json_of.pop(key, None) if value is REMOVED else json_of.__setitem__(key, value)
        path.write_text(json.dumps(json_of))

    def tell(self, name, kind, found, wrong=""):
        self.rows.append((name, kind, found))
        if wrong:
            self.failures += 1
            print(f"SILENT OR WRONG: {name}: {wrong}", file=sys.stderr)

    def refused(self, name, run, *parts):
        said = run.stderr.strip().replace("\n", " ")
        lacks = [part for part in parts if part not in said]
        wrong = f"exit code {run.returncode}: {run.stdout[:80]} {said[:200]}" if run.returncode != 2 or lacks else ""
        self.tell(name, "refused", said[:100], wrong)

    def same(self, name, run, expected, read, tolerance=1e-5):
        if run.returncode:
            return self.tell(name, "same", "", f"exit code {run.returncode}: {run.stderr[:200]}")
        found = read(run.stdout)
        close = len(found) == len(expected) and all(
            abs(a - b) <= tolerance if isinstance(b, float) else a == b for a, b in zip(found, expected))
        most = max((abs(a - b) for a, b in zip(found, expected) if isinstance(b, float)), default=0)
        self.tell(name, "same", f"{len(expected)} values, largest difference {most:.1e}", "" if close else f"{found} for {expected}")

    # What both programs say of a text.

    def ids(self, name, place, tokenizer=None, texts=TEXTS):
        tokenizer = tokenizer or AutoTokenizer.from_pretrained(place)
        for text in texts:
            expected = tokenizer(text, add_special_tokens=False)["input_ids"]
            run = self.run("tokenizer", "encode", "--tokenizer", place, "--json", text)
            self.same(f"{name}: ids of {text!r}", run, expected, lambda out: [token["id"] for token in json.loads(out)["tokens"]])

    def detect(self, name, place, reference=None):
        tokenizer = AutoTokenizer.from_pretrained(reference or place)
        model = ElectraForPreTraining.from_pretrained(reference or place).float().eval()
        with torch.no_grad():
            expected = model(**tokenizer(TEXTS[0], return_tensors="pt")).logits[0, 1:-1].sigmoid().tolist()
        run = self.run("detect", "--device", "flex", "--model", place, "--json", TEXTS[0])
        self.same(name, run, expected, lambda out: [token["replaced"] for token in json.loads(out)["tokens"]])

    def fill(self, name, place, tolerance=1e-5):
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = ElectraForMaskedLM.from_pretrained(place).float().eval()
        encoded = tokenizer("the [MASK] runs", return_tensors="pt")
        with torch.no_grad():
            chances = model(**encoded).logits[0, 2].softmax(-1)
        best = chances[: len(tokenizer)].topk(3)
        run = self.run("fill", "--device", "flex", "--model", place, "--json", "--top-k", "3", "the [MASK] runs")
        self.same(name, run, best.indices.tolist() + best.values.tolist(), lambda out: [
            mask[key] for key in ("id", "probability") for mask in json.loads(out)["masks"][0]], tolerance)

    def predict(self, name, place, task, cls, value):
        tokenizer = AutoTokenizer.from_pretrained(place)
        model = cls.from_pretrained(place).float().eval()
        text = "the cat runs"
        with torch.no_grad():
            expected = value(model(**tokenizer(text, return_tensors="pt")))
        source = self.work / "input.txt"
        source.write_text(text + "\n")
        # The class of the model says its task, too.
        for how, options in [("", ["--task", task]), (", by its class", [])]:
            run = self.run("predict", "--device", "flex", "--model", place, *options, "--json", "--top-k", "9", "--input", source)
            self.same(name + how, run, expected, lambda out: READ[task](json.loads(out)))


REMOVED = object()
READ = {
    "classification": lambda json_of: [top["probability"] for top in sorted(json_of["top"], key=lambda top: top["label"])],
    "regression": lambda json_of: [json_of["score"]],
    "token-classification": lambda json_of: [*json_of["tags"], *json_of["probabilities"]],
}


def rewrite(place, change):
    path = place / "model.safetensors"
    tensors = change(load_file(path))
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path, metadata={"format": "pt"})


def models(c):
    c.detect("plain", c.make("plain"))
    for key in ("model_type", "type_vocab_size", "layer_norm_eps", "hidden_dropout_prob", "hidden_act", "pad_token_id"):
        place = c.make(f"without-{key}")
        reference = c.work / "reference"
        subprocess.run(["cp", "-r", place, reference], check=True)
        c.change(place, **{key: REMOVED})
        c.detect(f"without {key}", place, reference)
        subprocess.run(["rm", "-r", reference], check=True)
    place = c.make("default-embedding", embedding_size=128)
    c.change(place, embedding_size=REMOVED)
    c.detect("embedding_size absent", place)
    for prefix in ("module.", "_orig_mod.", "model."):
        place, reference = c.make(f"prefix-{prefix}"), c.work / "reference"
        subprocess.run(["cp", "-r", place, reference], check=True)
        rewrite(place, lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()})
        c.detect(f"names begin with {prefix}", place, reference)
        subprocess.run(["rm", "-r", reference], check=True)
    place = c.make("half")
    rewrite(place, lambda tensors: {name: tensor.half() for name, tensor in tensors.items()})
    c.detect("half precision", place)
    place = c.make("bin")
    torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
    reference = c.work / "reference"
    subprocess.run(["cp", "-r", place, reference], check=True)
    (place / "model.safetensors").unlink()
    c.detect("pytorch_model.bin", place, reference)
    subprocess.run(["rm", "-r", reference], check=True)

    def refuse(name, parts, **values):
        place = c.make(name)
        c.change(place, **values)
        c.refused(name, c.run("detect", "--device", "flex", "--model", place, TEXTS[0]), *parts)
        source = c.run("import", place, "--output", c.work / f"{name}-imported")
        c.refused(f"{name}, import", source, *parts)

    refuse("relative positions", ["position_embedding_type"], position_embedding_type="relative_key")
    refuse("decoder", ["is_decoder"], is_decoder=True)
    refuse("cross attention", ["add_cross_attention"], add_cross_attention=True)
    refuse("relu", ["hidden_act"], hidden_act="relu")
    refuse("gelu_new", ["hidden_act"], hidden_act="gelu_new")
    refuse("roberta", ["model_type"], model_type="roberta")
    refuse("causal", ["ElectraForCausalLM"], architectures=["ElectraForCausalLM"])
    refuse("one layer of two", ["electra.encoder.layer.1."], num_hidden_layers=1)
    refuse("three heads of 32", ["num_attention_heads"], num_attention_heads=3)
    refuse("no heads", ["num_attention_heads"], num_attention_heads=0)
    refuse("pruned heads", ["pruned_heads"], pruned_heads={"0": [1]})
    place = c.make("three layers of two")
    c.change(place, num_hidden_layers=3)
    c.refused("three layers of two", c.run("detect", "--device", "flex", "--model", place, TEXTS[0]), "electra.encoder.layer.2.")
    place = c.make("other tensor")
    rewrite(place, lambda tensors: {**tensors, "electra.encoder.rel_pos.weight": torch.zeros(2)})
    c.refused("other tensor", c.run("detect", "--device", "flex", "--model", place, TEXTS[0]), "rel_pos")
    place = c.make("not finite")
    rewrite(place, lambda tensors: {name: tensor * float("nan") for name, tensor in tensors.items()})
    c.refused("not finite", c.run("detect", "--device", "flex", "--model", place, TEXTS[0]), "finite")
    place = c.make("lfs pointer")
    (place / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    c.refused("lfs pointer", c.run("detect", "--device", "flex", "--model", place, TEXTS[0]), "git lfs pull")


def masked(c):
    c.fill("tied", c.make("tied", ElectraForMaskedLM))
    place = c.make("untied", ElectraForMaskedLM, tie_word_embeddings=False)
    c.fill("untied by config.json", place)
    c.run("import", place, "--output", c.work / "untied-imported")
    c.fill("untied, imported", c.work / "untied-imported")
    place = c.make("untied-lost", ElectraForMaskedLM, tie_word_embeddings=False)
    rewrite(place, lambda tensors: {n: t for n, t in tensors.items() if n != "generator_lm_head.weight"})
    c.refused("untied, and not there", c.run("fill", "--device", "flex", "--model", place, "the [MASK]"), "generator_lm_head.weight")
    c.fill("padded word table", c.make("padded", ElectraForMaskedLM, vocab_size=len(WORDS) + 9))
    place = c.make("short-table", ElectraForMaskedLM, vocab_size=len(WORDS) - 1)
    c.refused("word table too short", c.run("fill", "--device", "flex", "--model", place, "the [MASK]"), "word table")


def heads(c):
    labels = {0: "neg", 1: "neutral", 2: "pos"}
    more = dict(num_labels=3, id2label=labels, label2id={name: number for number, name in labels.items()})
    by_name = sorted(range(3), key=labels.get)
    softmax = lambda out: [out.logits[0].softmax(-1)[number].item() for number in by_name]
    c.predict("classifier", c.make("classifier", ElectraForSequenceClassification, **more), "classification",
              ElectraForSequenceClassification, softmax)
    sigmoid = lambda out: [out.logits[0].sigmoid()[number].item() for number in by_name]
    c.predict("several labels", c.make("several", ElectraForSequenceClassification, problem_type="multi_label_classification", **more),
              "classification", ElectraForSequenceClassification, sigmoid)
    place = c.make("number", ElectraForSequenceClassification, num_labels=1, problem_type="regression")
    c.predict("number", place, "regression", ElectraForSequenceClassification, lambda out: [out.logits[0, 0].item()])
    place = c.make("tags", ElectraForTokenClassification, num_labels=3, id2label={0: "O", 1: "B-X", 2: "I-X"})

    def tags(out):
        best = out.logits[0, 1:-1].softmax(-1).max(-1)
        return [["O", "B-X", "I-X"][number] for number in best.indices.tolist()] + best.values.tolist()

    c.predict("tagger", place, "token-classification", ElectraForTokenClassification, tags)
    c.refused("tagger as classifier", c.run("predict", "--device", "flex", "--model", place, "--task", "classification"),
              "ElectraForTokenClassification")
    c.refused("no head for a task", c.run("predict", "--device", "flex", "--model", c.work / "plain"), "no head for a task")
    c.change(place, "config.json", id2label={"0": "O", "1": "B-X", "2": "B-X"})
    c.refused("a label twice", c.run("predict", "--device", "flex", "--model", place), "id2label")
    place = c.make("one-type", ElectraForSequenceClassification, type_vocab_size=1, num_labels=2)
    pair = c.work / "pair.txt"
    pair.write_text("the cat\tthe boat\n")
    run = c.run("predict", "--device", "flex", "--model", place, "--task", "classification", "--input", pair)
    c.refused("pairs with one token type", run, "type_vocab_size")
    place = c.make("answers", ElectraForQuestionAnswering)
    pair.write_text("the cat?\tthe cat runs, the boat runs.\n")
    run = c.run("predict", "--device", "flex", "--model", place, "--task", "question-answering", "--input", pair, "--json")
    tokenizer, model = AutoTokenizer.from_pretrained(place), ElectraForQuestionAnswering.from_pretrained(place).eval()
    context = "the cat runs, the boat runs."
    encoded = tokenizer("the cat?", context, return_tensors="pt", return_offsets_mapping=True)
    offsets, second = encoded.pop("offset_mapping")[0].tolist(), encoded.sequence_ids(0)
    with torch.no_grad():
        out = model(**encoded)
    spans = [(out.start_logits[0, a] + out.end_logits[0, b], offsets[a][0], offsets[b][1]) for a in range(len(second))
             for b in range(a, min(a + 30, len(second))) if second[a] == second[b] == 1]
    score, start, end = max(spans)
    c.same("answers", run, [start, end, score.item()], lambda text: [json.loads(text)[key] for key in ("start", "end", "score")], 1e-4)


def tokenizers(c):
    def vocabulary(name, words=WORDS, text=None, **settings):
        place = c.work / f"tokenizer-{name}"
        place.mkdir()
        (place / "vocab.txt").write_text(text or "".join(word + "\n" for word in words))
        if settings:
            (place / "tokenizer_config.json").write_text(json.dumps(settings))
        return place

    def bert(place, **settings):
        return BertTokenizer.from_pretrained(place, **settings)

    place = vocabulary("lower")
    c.ids("vocab.txt alone", place, bert(place))
    for name, settings in {
        "cased": dict(do_lower_case=False), "accents": dict(strip_accents=False), "together": dict(tokenize_chinese_chars=False),
        "all": dict(do_lower_case=False, strip_accents=False, tokenize_chinese_chars=False), "stripped": dict(do_lower_case=False, strip_accents=True),
    }.items():
        place = vocabulary(name, tokenizer_class="BertTokenizer", **settings)
        c.ids(f"vocab.txt, {name}", place, bert(place))
    text = "".join(word + "\r\n" for word in WORDS)
    place = vocabulary("crlf", text=text)
    c.ids("lines end with CRLF", place, bert(vocabulary("crlf-reference")))
    place = vocabulary("blank", words=[*WORDS[:20], "", *WORDS[20:]])
    c.ids("a blank line", place, bert(place))
    place = vocabulary("twice", words=[*WORDS, "cat"])
    c.ids("a token twice", place, bert(place))
    place = vocabulary("fast")
    bert(place, do_lower_case=False).save_pretrained(c.work / "saved")
    c.ids("tokenizer.json, cased", c.work / "saved")
    place = c.work / "unsaid"
    subprocess.run(["cp", "-r", c.work / "saved", place], check=True)
    c.change(place, "tokenizer_config.json", do_lower_case=REMOVED)
    run = c.run("tokenizer", "encode", "--tokenizer", place, "The")
    c.refused("tokenizer.json is cased, nothing says so", run, "do_lower_case")
    place = vocabulary("added", tokenizer_class="BertTokenizer")
    (place / "added_tokens.json").write_text(json.dumps({"[NEW]": len(WORDS)}))
    c.ids("added_tokens.json", place, AutoTokenizer.from_pretrained(place), ["the [NEW] cat", "[NEW]"])
    for name, settings, part in [
        ("mecab", dict(tokenizer_class="BertJapaneseTokenizer", word_tokenizer_type="mecab"), "word_tokenizer_type"),
        ("t5", dict(tokenizer_class="T5Tokenizer"), "tokenizer_class"),
        ("mask", dict(tokenizer_class="BertTokenizer", mask_token="<mask>"), "mask_token"),
        ("flag", dict(do_lower_case="no"), "do_lower_case"),
        ("left", dict(tokenizer_class="BertTokenizer", truncation_side="left"), "truncation_side"),
        ("extra", dict(tokenizer_class="BertTokenizer", additional_special_tokens=["<x>"]), "additional_special_tokens"),
    ]:
        c.refused(f"settings: {name}", c.run("tokenizer", "encode", "--tokenizer", vocabulary(name, **settings), "the"), part)
    place = vocabulary("counts", text="".join(f"{word}\t7\n" for word in WORDS))
    c.refused("counts after tokens", c.run("tokenizer", "encode", "--tokenizer", place, "the"), "tab")
    place = vocabulary("no-mask", words=[word for word in WORDS if word != "[MASK]"])
    c.refused("no [MASK]", c.run("tokenizer", "encode", "--tokenizer", place, "the"), "[MASK]")
    place = c.work / "pieces"
    place.mkdir()
    (place / "spiece.model").write_bytes(b"\n\x0e\n\x05<unk>")
    c.refused("SentencePiece", c.run("tokenizer", "encode", "--tokenizer", place, "the"), "SentencePiece")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("electra", type=pathlib.Path)
    arguments.add_argument("work", type=pathlib.Path)
    options = arguments.parse_args()
    options.work.mkdir(parents=True)
    check = Check(options.electra, options.work)
    for part in (models, masked, heads, tokenizers):
        part(check)
    print("| directory | outcome | what was found |\n|---|---|---|")
    for name, kind, found in check.rows:
        print(f"| {name} | {kind} | {found} |")
    print(f"\n{len(check.rows)} checks, {check.failures} silent or wrong")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()

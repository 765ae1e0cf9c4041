#!/usr/bin/env python3
"""Holds the answers of `electra predict` against Hugging Face transformers.

  python scripts/check_finetuned.py MODEL_DIR INPUT [--electra PATH] [--examples 100]

MODEL_DIR is a model that `electra finetune` has written, INPUT a file of its task: a table of texts or pairs (.tsv, .jsonl),
sentences (.conll), or SQuAD's JSON. Both answer the same inputs, spread evenly over the file. Exits with 1 where they disagree.
Needs torch and transformers; no network.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers.utils import logging

logging.disable_progress_bar()
# Inputs come one by one: more threads would only wait for one another.
torch.set_num_threads(1)

# Single precision on both sides, sums in another order: a few 1e-6 in practice.
TOLERANCE = 1e-4
BEAM, MAX_QUERY = 20, 64
TEXTS = [("text",), ("sentence",), ("sentence1", "sentence2"), ("question1", "question2"), ("premise", "hypothesis"),
         ("query", "doc")]
MODELS = {
    "ElectraForSequenceClassification": AutoModelForSequenceClassification,
    "ElectraForTokenClassification": AutoModelForTokenClassification,
    "ElectraForQuestionAnswering": AutoModelForQuestionAnswering,
}


def read_inputs(path):
    """The inputs of a labelled file as the objects that `electra predict` reads, without their labels."""
    text = path.read_text(encoding="utf-8-sig")
    lines = text.split("\n")
    if path.suffix == ".json":
        paragraphs = (p for article in json.loads(text)["data"] for p in article["paragraphs"])
        return [{"question": q["question"], "context": p["context"]} for p in paragraphs for q in p["qas"]]
    if path.suffix == ".conll":
        sentences = [[]]
        for line in lines:
            word = line.replace("\t", " ").strip(" \r").split(" ")[0]
            if word and not word.startswith("-DOCSTART-"):
                sentences[-1].append(word)
            elif sentences[-1]:
                sentences.append([])
        return [{"tokens": words} for words in sentences if words]
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in lines if line.strip()]
    else:
        header, *rows = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
        rows = [dict(zip(header, row)) for row in rows]
    if "tokens" in rows[0]:
        return [{"tokens": row["tokens"]} for row in rows]
    names = next((names for names in reversed(TEXTS) if all(name in rows[0] for name in names)), None)
    if names is None:
        sys.exit(f"{path}: no column of texts among {', '.join(rows[0])}")
    return [{name: row[name] for name in names} for row in rows]


def ask_electra(program, directory, inputs, labels):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in inputs)
        file.flush()
        command = [program, "predict", "--model", str(directory), "--input", file.name, "--json", "--top-k", str(labels),
                   "--device", "flex"]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if len(answers) != len(inputs):
        sys.exit(f"{len(answers)} answers to {len(inputs)} inputs")
    return answers


class Check:
    """What the comparisons of all kinds share: the model, and what was found."""

    def __init__(self, directory, config):
        self.config, self.task = config, config["electra_burn_task"]
        self.max_length = config["electra_burn_max_length"]
        cls = MODELS[config["architectures"][0]]
        self.model, info = cls.from_pretrained(directory, output_loading_info=True)
        for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[kind]:
                sys.exit(f"{directory}: {kind}: {sorted(info[kind])}")
        self.model.eval()
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.labels = [self.model.config.id2label[i] for i in range(self.model.config.num_labels)]
        self.worst, self.wrong, self.counts = 0.0, [], {}

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    def close(self, where, what, theirs, ours):
        self.worst = max(self.worst, abs(theirs - ours))
        if not abs(theirs - ours) <= TOLERANCE:
            self.wrong.append(f"{where}: {what}: {ours} here, {theirs} there")

    def equal(self, where, what, theirs, ours):
        if theirs != ours:
            self.wrong.append(f"{where}: {what}: {ours!r} here, {theirs!r} there")

    @torch.inference_mode()
    def logits(self, encoded):
        output = self.model(**{name: torch.tensor([ids]) for name, ids in encoded.items()})
        return output if "start_logits" in output else output.logits[0]

    def texts(self, where, row, ours):
        """One or two texts: a label with the probabilities of all, several labels, or a score."""
        texts = list(row.values())
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.max_length)
        whole = self.tokenizer(*texts)
        self.count("cut" if len(whole.input_ids) > len(encoded.input_ids) else "whole")
        logits = self.logits(encoded)
        if self.task["task"] == "regression":
            return self.close(where, "score", logits[0].item(), ours["score"])
        if self.task["task"] == "ranking":
            return self.close(where, "score", logits[0].sigmoid().item(), ours["score"])
        several = self.task["multi_label"]
        theirs = dict(zip(self.labels, (logits.sigmoid() if several else logits.softmax(-1)).tolist()))
        mine = {item["label"]: item["probability"] for item in ours["top"]}
        self.equal(where, "labels", sorted(theirs), sorted(mine))
        for label in theirs.keys() & mine.keys():
            self.close(where, label, theirs[label], mine[label])
        if several:
            unsure = {label for label in theirs if abs(theirs[label] - 0.5) <= TOLERANCE}
            holds = {label for label in theirs if theirs[label] > 0.5}
            self.count("labels", len(holds))
            self.equal(where, "labels", holds - unsure, set(ours["labels"]) - unsure)
        elif max(theirs.values()) - theirs.get(ours["label"], 0.0) > TOLERANCE:
            self.equal(where, "label", max(theirs, key=theirs.get), ours["label"])

    def words(self, where, row, ours):
        """A tag a word, which its first piece says; sentences that are too long are cut between words."""
        words = row["tokens"]
        self.equal(where, "words", words, ours["words"])
        self.equal(where, "number of tags", len(words), len(ours["tags"]))
        pieces = [0] * len(words)
        for word in self.tokenizer(words, is_split_into_words=True, add_special_tokens=False).word_ids():
            pieces[word] += 1
        begin = 0
        while begin < len(words):
            end, length = begin, 0
            while end < len(words) and (end == begin or length + pieces[end] <= self.max_length - 2):
                length, end = length + pieces[end], end + 1
            encoded = self.tokenizer(words[begin:end], is_split_into_words=True, truncation=True, max_length=self.max_length)
            firsts = {}
            for position, word in enumerate(encoded.word_ids()):
                if word is not None:
                    firsts.setdefault(word, position)
            probabilities = self.logits(encoded).softmax(-1)
            for word in range(end - begin):
                at = begin + word
                place = f"{where}, word {at + 1} {words[at]!r}"
                if word not in firsts:
                    self.count("words without a piece")
                    self.equal(place, "tag", ("O", 1.0), (ours["tags"][at], ours["probabilities"][at]))
                    continue
                theirs = probabilities[firsts[word]]
                best = theirs.argmax().item()
                self.count("words")
                self.count("words tagged", int(self.labels[best] != "O"))
                self.close(place, "probability", theirs[best].item(), ours["probabilities"][at])
                if self.labels[best] != ours["tags"][at]:
                    given = theirs[self.labels.index(ours["tags"][at])] if ours["tags"][at] in self.labels else 0.0
                    if theirs[best] - given > TOLERANCE:
                        self.equal(place, "tag", self.labels[best], ours["tags"][at])
            begin = end

    def windows(self, where, question, context):
        """Encoded windows, and of each where its context begins and the characters of the tokens there."""
        tokenizer = self.tokenizer
        of_question = tokenizer(question, add_special_tokens=False).input_ids
        cut = of_question[: min(MAX_QUERY, self.max_length // 3)]
        of_context = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)
        room = self.max_length - len(cut) - 3
        step = room - room // 3
        windows, begin = [], 0
        while True:
            ids = of_context.input_ids[begin : begin + room]
            head = [tokenizer.cls_token_id, *cut, tokenizer.sep_token_id]
            row = {"input_ids": [*head, *ids, tokenizer.sep_token_id]}
            row["token_type_ids"] = [0] * len(head) + [1] * (len(ids) + 1)
            windows.append((row, len(head), of_context.offset_mapping[begin : begin + room]))
            if begin + room >= len(of_context.input_ids):
                break
            begin += step
        if len(cut) == len(of_question):
            # The library's own windows.
            theirs = tokenizer(question, context, truncation="only_second", max_length=self.max_length, stride=room // 3,
                               return_overflowing_tokens=True)
            for name in ("input_ids", "token_type_ids"):
                self.equal(where, f"windows' {name}", theirs[name], [row[name] for row, _, _ in windows])
        return windows

    def question(self, where, row, ours):
        """The best span over all windows, or none."""
        nothing, best, given = float("inf"), None, None
        windows = self.windows(where, row["question"], row["context"])
        self.count("windows", len(windows))
        for encoded, second, spans in windows:
            output = self.logits(encoded)
            first, last = output.start_logits[0].tolist(), output.end_logits[0].tolist()
            nothing = min(nothing, first[0] + last[0])
            places = range(second, second + len(spans))
            begins, ends = (sorted(places, key=lambda at: -scores[at])[:BEAM] for scores in (first, last))
            for begin in begins:
                for end in ends:
                    if begin <= end < begin + self.task["max_answer_length"]:
                        score = first[begin] + last[end]
                        span = (spans[begin - second][0], spans[end - second][1])
                        if best is None or score > best[0]:
                            best = (score, *span)
                        if span == (ours["start"], ours["end"]):
                            given = max(given or score, score)
        if best is None:
            return self.equal(where, "answer", "", ours["answer"])
        score, start, end = best
        self.close(where, "score", score, ours["score"])
        self.close(where, "no_answer", nothing - score, ours["no_answer"])
        unsure = abs(nothing - score - self.task["no_answer_threshold"]) <= TOLERANCE
        silent = self.task["unanswerable"] and nothing - score > self.task["no_answer_threshold"]
        self.count("without an answer" if silent else "with an answer")
        theirs = ("", 0, 0) if silent else (row["context"][start:end], start, end)
        mine = (ours["answer"], ours["start"], ours["end"])
        tied = given is not None and score - given <= TOLERANCE
        if theirs != mine and not tied and not (self.task["unanswerable"] and unsure):
            self.equal(where, "answer", theirs, mine)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("--electra", default="electra", help="the program, by default from PATH")
    parser.add_argument("--examples", type=int, default=100, help="inputs to compare, by default 100")
    arguments = parser.parse_args()
    config = json.loads((arguments.directory / "config.json").read_text())
    if "electra_burn_task" not in config:
        sys.exit(f"{arguments.directory}: config.json names no task; expected a model that `electra finetune` has written")
    check = Check(arguments.directory, config)
    inputs = read_inputs(arguments.input)
    few = min(arguments.examples, len(inputs))
    inputs = [inputs[at * len(inputs) // few] for at in range(few)]
    answers = ask_electra(arguments.electra, arguments.directory, inputs, len(check.labels))
    kind = {"token-classification": check.words, "question-answering": check.question}.get(check.task["task"], check.texts)
    for number, (row, ours) in enumerate(zip(inputs, answers), 1):
        kind(f"input {number}", row, ours)
    counts = ", ".join(f"{count} {what}" for what, count in check.counts.items())
    print(f"{arguments.directory}: {config['architectures'][0]}, {check.task['task']}, {len(inputs)} inputs ({counts}), "
          f"largest difference {check.worst:.1e}, {len(check.wrong)} disagreements")
    for line in check.wrong[:10]:
        print(f"  {line}")
    sys.exit(1 if check.wrong else 0)


main()

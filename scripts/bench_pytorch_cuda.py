#!/usr/bin/env python3
"""The ELECTRA pre-training step of bench_pytorch.py on a GPU, in several settings of PyTorch.

A setting is MODE-FORMAT: eager, compile (torch.compile) or graphs (torch.compile with CUDA graphs), and fp32, tf32 or bf16
(autocast). Batches lie on the device, nothing is padded, so that scaled_dot_product_attention can choose flash attention, and
AdamW is fused. Blocks of steps end with one synchronisation. Prints one line of JSON for each setting; a setting that fails
has the field `error`.

    python3 scripts/bench_pytorch_cuda.py --batch 128
    python3 scripts/bench_pytorch_cuda.py --device cpu --config tiny --batch 2 --steps 1 --warmup 1 --settings eager-fp32
"""
import argparse, json, os, statistics, time

from bench_pytorch import CLS, CONFIGS, MASK, SEP, model_flops

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
SETTINGS = "eager-bf16,eager-fp32,eager-tf32,compile-bf16,graphs-bf16"

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--config", choices=CONFIGS, default="small")
ap.add_argument("--settings", default=SETTINGS, help=f"with commas between them [{SETTINGS}]")
ap.add_argument("--batch", type=int, default=128)
ap.add_argument("--seq", type=int, default=128)
ap.add_argument("--dropout", type=float, default=0.1)
ap.add_argument("--steps", type=int, default=20, help="steps of a block; three blocks are timed")
ap.add_argument("--warmup", type=int, default=5)
ap.add_argument("--device", default="cuda")
a = ap.parse_args()

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import ElectraConfig, ElectraModel
from transformers.models.electra.modeling_electra import ElectraDiscriminatorPredictions, ElectraGeneratorPredictions

device = torch.device(a.device)
on_gpu = device.type == "cuda"
sync = torch.cuda.synchronize if on_gpu else lambda: None
c = CONFIGS[a.config]
masked = round(0.15 * a.seq)


def hf_config(m):
    return ElectraConfig(vocab_size=c["vocab"], embedding_size=c["emb"], hidden_size=m["hidden"], num_hidden_layers=c["layers"],
                         num_attention_heads=m["heads"], intermediate_size=m["ffn"], max_position_embeddings=512,
                         hidden_dropout_prob=a.dropout, attention_probs_dropout_prob=a.dropout, attn_implementation="sdpa")


class Pretrainer(nn.Module):
    """Losses of a batch of ids, shape [batch, seq]."""

    def __init__(self):
        super().__init__()
        generator, discriminator = hf_config(c["gen"]), hf_config(c["disc"])
        self.disc, self.disc_head = ElectraModel(discriminator), ElectraDiscriminatorPredictions(discriminator)
        self.gen, self.gen_head = ElectraModel(generator), ElectraGeneratorPredictions(generator)
        self.gen.embeddings = self.disc.embeddings
        self.lm_bias = nn.Parameter(torch.zeros(c["vocab"]))

    def forward(self, ids):
        score = torch.rand(ids.shape, device=ids.device).masked_fill((ids == CLS) | (ids == SEP), -1.0)
        positions = score.topk(masked, dim=1, sorted=False).indices
        labels = ids.gather(1, positions)
        put = torch.where(torch.rand(positions.shape, device=ids.device) < 0.85, MASK, labels)
        hidden = self.gen(ids.scatter(1, positions, put)).last_hidden_state
        hidden = hidden.gather(1, positions.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])).flatten(0, 1)
        logits = F.linear(self.gen_head(hidden), self.disc.embeddings.word_embeddings.weight, self.lm_bias).float()
        gen_loss = F.cross_entropy(logits, labels.flatten())
        with torch.no_grad():
            gumbel = -torch.empty_like(logits).exponential_().log_()
            corrupted = ids.scatter(1, positions, (logits + gumbel).argmax(-1).view_as(positions))
            replaced = (corrupted != ids).float()
        scores = self.disc_head(self.disc(corrupted).last_hidden_state).float()
        disc_loss = F.binary_cross_entropy_with_logits(scores, replaced)
        return gen_loss + 50.0 * disc_loss, gen_loss.detach(), disc_loss.detach()


def run(setting):
    mode, dtype = setting.split("-")
    torch._dynamo.reset()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype != "fp32"
    model = Pretrainer().train().to(device)
    parameters = list(model.parameters())
    decayed = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim <= 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=0.01), dict(params=plain, weight_decay=0.0)],
                                  lr=5e-4, eps=1e-6, fused=True)
    compiled = {"eager": lambda: model, "compile": lambda: torch.compile(model, dynamic=False),
                "graphs": lambda: torch.compile(model, mode="reduce-overhead", dynamic=False)}[mode]()
    batches = [torch.randint(1000, c["vocab"], (a.batch, a.seq), device=device) for _ in range(8)]
    for ids in batches:
        ids[:, 0], ids[:, a.seq // 2], ids[:, -1] = CLS, SEP, SEP

    def step(i):
        if mode == "graphs":
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bf16"):
            loss, *losses = compiled(batches[i % len(batches)])
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=on_gpu or None)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return losses

    begun = time.perf_counter()
    for i in range(a.warmup):
        step(i)
    sync()
    warmup = time.perf_counter() - begun
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    blocks, host = [], []
    for _ in range(3):
        begun = time.perf_counter()
        for i in range(a.steps):
            losses = step(i)
        host.append((time.perf_counter() - begun) / a.steps)
        sync()
        blocks.append((time.perf_counter() - begun) / a.steps)
    seconds = statistics.median(blocks)
    found = dict(config=a.config, setting=setting, batch=a.batch, seq=a.seq, dropout=a.dropout, step_ms=round(seconds * 1e3, 3),
                 step_ms_range=[round(min(blocks) * 1e3, 3), round(max(blocks) * 1e3, 3)],
                 host_ms=round(statistics.median(host) * 1e3, 3), tokens_per_second=round(a.batch * a.seq / seconds),
                 gflops=round(model_flops(c, a.batch, a.seq, masked) / seconds / 1e9, 1), warmup_s=round(warmup, 1),
                 losses=[round(x.float().item(), 4) for x in losses], torch=torch.__version__,
                 card=torch.cuda.get_device_name() if on_gpu else "CPU")
    if on_gpu:
        from torch.profiler import ProfilerActivity, profile
        found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        with profile(activities=[ProfilerActivity.CUDA]) as p:
            step(0)
            sync()
        events = [e for e in p.key_averages() if e.self_device_time_total > 0]
        found["kernels"] = sum(e.count for e in events)
        found["kernel_ms"] = round(sum(e.self_device_time_total for e in events) / 1e3, 2)
    print(json.dumps(found), flush=True)


for setting in a.settings.split(","):
    try:
        run(setting)
    except Exception as error:  # One setting that PyTorch cannot do here does not take the others along.
        print(json.dumps(dict(config=a.config, setting=setting, batch=a.batch, error=f"{type(error).__name__}: {error}"[:300])), flush=True)
    if on_gpu:
        torch.cuda.empty_cache()

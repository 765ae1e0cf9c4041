#!/usr/bin/env bash
# A training step of ours in f32 and bf16 beside PyTorch's in all of its settings (f32 and bf16 autocast, eager and compiled) on the
# same threads, in turn, ROUNDS times: medians, the ratio to PyTorch's best setting paired by round, and the peak of memory. Preset
# small (16 x 128) and a pair of the size of tiny with a generator as deep as the discriminator (32 x 128), dropout 0.1.
#
#     PYTHON=venv/bin/python scripts/versus_pytorch.sh [ROUNDS] [THREADS]
#
# PYTHON needs torch and transformers. PyTorch gets glibc's allocator tuned as ours is, which makes it a tenth faster. On a processor
# without AVX-512 BF16 our second line computes in f32 and says so.
set -euo pipefail
rounds="${1:-5}" threads="${2:-$(nproc)}" python="${PYTHON:-python3}"
here="$(cd "$(dirname "$0")" && pwd)"
electra="${ELECTRA:-${CARGO_TARGET_DIR:-$here/../target}/debug/electra}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

peer() {
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
        "$python" "$here/bench_pytorch.py" --config "$1" --batch "$2" --threads "$threads" --sampler cdf --dtype "$3" --compile "$4" \
        --steps 10 --warmup 3 --json "$work/$1.PyTorch $3 $4" > /dev/null 2> "$work/errors" || { cat "$work/errors" >&2; exit 1; }
}
ours() {
    local set=(--set "training.precision=$3")
    [ "$1" = tiny ] && set+=(model.vocab_size=8192 model.num_attention_heads=2 model.hidden_dropout_prob=0.1
        model.attention_probs_dropout_prob=0.1 generator.hidden_size=32 generator.num_hidden_layers=4 generator.num_attention_heads=1
        generator.intermediate_size=128 data.mask_probability=0.15)
    "$electra" bench --device flex --preset "$1" "${set[@]}" --batch "$2" --threads "$threads" --steps 10 --warmup 3 --json \
        >> "$work/$1.electra $3"
}

for round in $(seq "$rounds"); do
    for preset in small:16 tiny:32; do
        echo "round $round of $rounds: ${preset%:*}" >&2
        for format in f32 bf16; do
            ours "${preset%:*}" "${preset#*:}" "$format"
            for mode in none default; do peer "${preset%:*}" "${preset#*:}" "${format/f32/fp32}" "$mode"; done
        done
    done
done

"$python" - "$work" "$threads" <<'EOF'
import json, pathlib, statistics, sys

work, threads = pathlib.Path(sys.argv[1]), sys.argv[2]
median = statistics.median
print(f"{threads} threads; medians of the rounds, ratios paired by round (smallest to largest)")
for preset in ("small", "tiny"):
    rates, memory = {}, {}
    for path in sorted(work.glob(f"{preset}.*")):
        name = path.name.split(".", 1)[1].replace("fp32", "f32").replace(" none", ", eager").replace(" default", ", compiled")
        rows = [json.loads(line) for line in path.open()]
        rates[name] = [row.get("tokens_per_second") or row["tokens_per_s"] for row in rows]
        memory[name] = median(row["peak_rss_mib"] for row in rows)
        gflops = median(row["gflops"] for row in rows)
        note = ""
        if name.startswith("electra"):
            peak = median(row["matrix_peak_gflops"] for row in rows)
            note = f", {100 * median(row['share_of_peak'] for row in rows):.0f} % of the {peak:.0f} of products alone in {rows[0]['precision']}"
        span = f"{min(rates[name]):.0f} to {max(rates[name]):.0f}"
        print(f"{preset:<6} {name:<24} {median(rates[name]):>7.0f} tokens/s ({span})  {memory[name]:>5.0f} MiB  {gflops:>6.1f} GFLOP/s{note}")
    for ours, peers in (("electra f32", "PyTorch f32"), ("electra bf16", "PyTorch")):
        best = max((name for name in rates if name.startswith(peers)), key=lambda name: median(rates[name]))
        ratios = sorted(a / b for a, b in zip(rates[ours], rates[best]))
        print(f"{preset:<6} {ours} to {best}: {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) times, {memory[ours] / memory[best]:.2f} of its memory")
EOF

#!/usr/bin/env bash
# A training step of ours beside one of PyTorch on the same threads, in turn, ROUNDS times: medians and the paired ratio of
# tokens a second, and the peak of memory. Preset small (16 x 128) and a pair of the size of tiny with a generator as deep as the
# discriminator (32 x 128), dropout 0.1, single precision.
#
#     PYTHON=venv/bin/python scripts/versus_pytorch.sh [ROUNDS] [THREADS]
#
# PYTHON needs torch and transformers. PyTorch gets glibc's allocator tuned as ours is, which makes it a tenth faster.
set -euo pipefail
rounds="${1:-5}" threads="${2:-$(nproc)}" python="${PYTHON:-python3}"
here="$(cd "$(dirname "$0")" && pwd)"
electra="${ELECTRA:-${CARGO_TARGET_DIR:-$here/../target}/debug/electra}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

peer() {
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
        "$python" "$here/bench_pytorch.py" --config "$1" --batch "$2" --threads "$threads" --sampler cdf \
        --steps 10 --warmup 3 --json "$work/peer-$1" > /dev/null
}
ours() {
    local set=()
    [ "$1" = tiny ] && set=(--set model.vocab_size=8192 model.num_attention_heads=2 model.hidden_dropout_prob=0.1
        model.attention_probs_dropout_prob=0.1 generator.hidden_size=32 generator.num_hidden_layers=4
        generator.intermediate_size=128)
    "$electra" bench --device flex --preset "$1" "${set[@]}" --batch "$2" --threads "$threads" --steps 10 --warmup 3 --json \
        >> "$work/ours-$1"
}

for round in $(seq "$rounds"); do
    for preset in small:16 tiny:32; do
        echo "round $round of $rounds: ${preset%:*}" >&2
        peer "${preset%:*}" "${preset#*:}"
        ours "${preset%:*}" "${preset#*:}"
    done
done

"$python" - "$work" "$threads" <<'EOF'
import json, pathlib, statistics, sys

work, threads = pathlib.Path(sys.argv[1]), sys.argv[2]
print(f"{threads} threads; medians of the rounds, the ratio paired by round (smallest to largest)")
for preset in ("small", "tiny"):
    peer, ours = ([json.loads(line) for line in open(work / f"{side}-{preset}")] for side in ("peer", "ours"))
    middle = lambda rows, key: statistics.median(row[key] for row in rows)
    ratios = sorted(b["tokens_per_second"] / a["tokens_per_s"] for a, b in zip(peer, ours))
    memory = middle(ours, "peak_rss_mib") / middle(peer, "peak_rss_mib")
    for name, rows, rate, seconds in (
        ("PyTorch", peer, "tokens_per_s", "median_step_s"),
        ("electra", ours, "tokens_per_second", "step_seconds"),
    ):
        print(
            f"{preset:<6} {name:<8} {middle(rows, rate):>8.0f} tokens/s  {middle(rows, seconds):.4f} s/step  "
            f"{middle(rows, 'gflops'):>6.1f} GFLOP/s  {middle(rows, 'peak_rss_mib'):>5.0f} MiB"
        )
    print(
        f"{preset:<6} ratio    {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) tokens/s, "
        f"{memory:.3f} memory"
    )
EOF

#!/usr/bin/env bash
# How a step grows with its work: seconds against batch, sequence and threads, with the exponent that fits them.
#
#     scripts/scaling.sh [PRESET]
set -euo pipefail
preset="${1:-small}"
here="$(cd "$(dirname "$0")" && pwd)"
electra="${ELECTRA:-${CARGO_TARGET_DIR:-$here/../target}/debug/electra}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# name value batch sequence threads
point() {
    "$electra" bench --device flex --preset "$preset" --batch "$3" --sequence-length "$4" --threads "$5" \
        --steps 5 --warmup 2 --json | sed "s/^{/{\"name\":\"$1\",\"value\":$2,/" >> "$work/points"
}
for batch in 4 8 16 32 64; do point "batch (x 128 tokens, $(nproc) threads)" "$batch" "$batch" 128 "$(nproc)"; done
for length in 64 128 256 512; do point "sequence (8 x, $(nproc) threads)" "$length" 8 "$length" "$(nproc)"; done
for threads in $(seq "$(nproc)"); do point "threads (16 x 128 tokens)" "$threads" 16 128 "$threads"; done

python3 - "$work/points" <<'EOF'
import json, math, sys

points = [json.loads(line) for line in open(sys.argv[1])]
for name in dict.fromkeys(point["name"] for point in points):
    rows = [point for point in points if point["name"] == name]
    print(name)
    for row in rows:
        print(
            f"  {row['value']:>4}  {row['step_seconds']:.4f} s  {row['tokens_per_second']:>7.0f} tokens/s  "
            f"{row['gflops']:>6.1f} GFLOP/s  {row['peak_rss_mib']:>6.0f} MiB"
        )
    x, y = ([math.log(row[key]) for row in rows] for key in ("value", "step_seconds"))
    mx, my = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mx) * (b - my) for a, b in zip(x, y)) / sum((a - mx) ** 2 for a in x)
    print(f"  seconds grow with the power {slope:.3f}")
EOF

#!/usr/bin/env bash
# Whether a run stays as fast and as small as it begins: tokens a second in the first and the last hundred of STEPS steps,
# resident memory at a tenth of them, after the first checkpoints and validations, and at the end.
#
#     scripts/steady.sh CORPUS [STEPS] [PRESET] [KEY=VALUE...]
set -euo pipefail
corpus="$(realpath "$1")" steps="${2:-2000}" preset="${3:-tiny}"
shift $(($# < 3 ? $# : 3))
here="$(cd "$(dirname "$0")" && pwd)"
electra="$(realpath "${ELECTRA:-${CARGO_TARGET_DIR:-$here/../target}/debug/electra}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
"$electra" pretrain --device flex --no-tui --preset "$preset" --corpus "$corpus" --output run --set \
    training.steps="$steps" training.log_every=5 training.validate_every=$((steps / 20)) \
    training.checkpoint_every=$((steps / 20)) schedule.warmup_steps=100 "$@" > log &
run=$!
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$run/status" 2>/dev/null || true; }
step() { sed -n 's/.*"step":\([0-9]*\),"split":"train".*/\1/p' run/metrics.jsonl 2>/dev/null | tail -1 || true; }
early='' late=''
while kill -0 "$run" 2>/dev/null; do
    now="$(step)"
    [ -n "$now" ] && [ "$now" -ge $((steps / 10)) ] && [ -z "$early" ] && early="$(resident)"
    [ -n "$now" ] && [ "$now" -lt "$steps" ] && late="$(resident)"
    sleep 0.2
done
wait "$run"
python3 - "$early" "$late" "$steps" <<'EOF'
import json, statistics, sys

early, late, steps = map(int, sys.argv[1:])
rates = [(r["step"], r["tokens_per_second"]) for r in map(json.loads, open("run/metrics.jsonl")) if r["split"] == "train"]
first = statistics.median(rate for step, rate in rates if step <= 100)
last = statistics.median(rate for step, rate in rates if step > steps - 100)
print(f"first hundred steps {first:.0f} tokens/s, last {last:.0f}: ratio {last / first:.4f}")
print(f"resident at step {steps // 10}: {early} KiB, at the end: {late} KiB: ratio {late / early:.4f}")
EOF

#!/usr/bin/env bash
# One run on one device, on two of this process, and on two workers on loopback, each with half of every batch: largest
# difference of the losses, tokens a second, and the bytes that cross the loopback interface in a step (Linux). Nothing
# else should run meanwhile. Dropout is off, since every device draws masks of its own. A worker has the portable kernels
# alone, which add in another order than the fused ones, so it is compared with one device that has these too.
#
#   [FEATURES=wgpu] scripts/parallel.sh CORPUS [PRESET [STEPS [SET..]]]
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=$(realpath "$1") preset=${2:-tiny} steps=${3:-50}
shift $(($# < 3 ? $# : 3))
cargo build --quiet --features "${FEATURES:-wgpu}"
electra=$(realpath "${CARGO_TARGET_DIR:-target}/debug/electra")
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

for port in 7447 7448; do
    RAYON_NUM_THREADS=1 "$electra" worker --device flex --listen "127.0.0.1:$port" --token-file token >"worker-$port" &
    until grep -q 'train on it' "worker-$port"; do sleep 0.1; done
done

loopback() { awk '$1 == "lo:" { print $2 }' /proc/net/dev; }

portable=
run() { # NAME DEVICE
    local before
    before=$(loopback)
    "$electra" $portable pretrain --preset "$preset" --corpus "$corpus" --device "$2" --token-file token --output "$1" --set \
        training.steps="$steps" training.log_every=1 training.validate_every="$steps" data.validation_sequences=1 \
        model.hidden_dropout_prob=0 model.attention_probs_dropout_prob=0 schedule.warmup_steps=10 "${@:3}" >"$1.log"
    echo $(($(loopback) - before)) >"$1.bytes"
}

run prepared flex training.steps=1 training.validate_every=1 schedule.warmup_steps=1 "$@" # the token store
run single flex "$@"
portable=--portable run portable flex "$@"
run local flex,flex "$@"
run remote remote:127.0.0.1:7447,remote:127.0.0.1:7448 "$@"
python3 - "$steps" <<'PYTHON'
import json, statistics, sys
steps = int(sys.argv[1])
def records(name):
    lines = [json.loads(line) for line in open(f"{name}/metrics.jsonl")]
    return [line for line in lines if line["split"] == "train"]
print(f"{'devices':<10} {'largest difference':>18} {'tokens/s':>9} {'MB a step':>10}")
for name, alone in [("single", "single"), ("local", "single"), ("portable", "portable"), ("remote", "portable")]:
    own, single = records(name), records(alone)
    assert len(own) == steps == len(single)
    difference = max(abs(a[key] - b[key]) for a, b in zip(own, single) for key in ["mlm_loss", "disc_loss"])
    speed = statistics.median(record["tokens_per_second"] for record in own)
    sent = int(open(f"{name}.bytes").read()) / steps / 1e6
    print(f"{name:<10} {difference:>18.1e} {speed:>9.0f} {sent:>10.2f}")
PYTHON

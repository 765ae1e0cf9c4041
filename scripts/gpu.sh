#!/usr/bin/env bash
# Measures a GPU in at most nine minutes: PyTorch's step and ours in several formats, the kernels of a step, whether the losses
# agree with the CPU's, a real run, and the tests. Needs no network. The most important figures come first, and what has been
# measured is kept when the script is stopped.
#
#     scripts/gpu.sh [OUT]
#
# Writes OUT/gpu.json and OUT/gpu.md (default OUT: gpu-results), appends the table to docs/gpu.md, and keeps what each program
# printed in OUT/log. The exit code is 0 if every measurement that the machine allows was made.
#
#     ELECTRA   the program, or the program compressed with xz [$CARGO_TARGET_DIR or target, release/electra]
#     TESTS     a folder with the test programs `parity` and `faults` [none]
#     PYTHON    Python with torch and transformers [python3]
#     DEVICES   ours [cuda vulkan]; PEER  PyTorch's [cuda]
#     PRESET    [small]; BATCH [128]; STEPS [20]; LIMIT seconds [540]
#     KERNELS   a folder for compiled kernels, which a second run takes up [a temporary one]
#
# PyTorch's pair is ours at the presets small and base. To rehearse the script without a GPU, on Mesa's software Vulkan:
#     DEVICES=wgpu PEER=cpu PRESET=tiny BATCH=2 STEPS=2 LIMIT=1800 scripts/gpu.sh
set -uo pipefail
cd "$(dirname "$0")/.."
out="${1:-gpu-results}"
mkdir -p "$out/log" || exit 2
out="$(realpath "$out")"
python="${PYTHON:-python3}" devices="${DEVICES:-cuda vulkan}" peer="${PEER:-cuda}"
preset="${PRESET:-small}" batch="${BATCH:-128}" steps="${STEPS:-20}" limit="${LIMIT:-540}"
electra="${ELECTRA:-${CARGO_TARGET_DIR:-target}/release/electra}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [[ "$electra" = *.xz ]]; then
    xz -dc "$electra" >"$work/electra" && chmod +x "$work/electra" || exit 2
    electra="$work/electra"
fi
[ -x "$electra" ] || { echo "$electra: no such program; expected a build, or ELECTRA=FILE" >&2; exit 2; }
electra="$(realpath "$electra")"
# As little tuning as there is, so that the time goes into measurements. Every device and format has its own kernels in
# KERNELS, so that they can be compiled side by side.
export CUBECL_AUTOTUNE_LEVEL="${CUBECL_AUTOTUNE_LEVEL:-minimal}" ELECTRA_BENCHMARKS="$work/benchmarks.jsonl"
export ELECTRA_CACHE="$work/cache" ELECTRA_PROGRAM="$electra" KERNELS="${KERNELS:-$work/kernels}"
mkdir -p "$KERNELS" || exit 2
: >"$out/log/measurements.tsv"

# measure NAME SECONDS COMMAND..: runs it for at most SECONDS of 540, and as long as there is time left.
measure() {
    local name=$1 most=$(($2 * limit / 540)) begun=$SECONDS left=$((limit - SECONDS)) code=skipped
    shift 2
    if [ "$left" -gt 5 ]; then
        echo "== $name ($SECONDS s)"
        timeout -k 5 $((most < left ? most : left)) "$@" >"$out/log/$name" 2>"$out/log/$name.err"
        code=$?
        [ "$code" = 0 ] || tail -n 3 "$out/log/$name.err"
    else
        echo "== $name: no time left"
    fi
    printf '%s\t%s\t%s\n' "$name" "$code" $((SECONDS - begun)) >>"$out/log/measurements.tsv"
    "$python" scripts/gpu_table.py "$out"
}

bench() {
    local device=$1 format=$2
    shift 2
    ELECTRA_KERNEL_CACHE="$KERNELS/$device-$format" "$electra" bench --preset "$preset" --batch "$batch" --device "$device" \
        --set training.precision="$format" --steps "$steps" --warmup 3 --json "$@"
}

# One thread compiles the kernels of a device and format, for one to three minutes: all of them side by side. `check` and
# `pretrain` have theirs compiled too.
compile() {
    local device format
    for device in $devices; do
        for format in $(formats "$device"); do
            steps=2 bench "$device" "$format" --quick >"$out/log/compile-$device-$format" 2>&1 &
        done
    done
    # shellcheck disable=SC2086
    ELECTRA_KERNEL_CACHE="$KERNELS/check" "$electra" devices --check $devices >"$out/log/compile-check" 2>&1 &
    steps=1 pretrain "$main" >"$out/log/compile-pretrain" 2>&1 &
    wait
}

pretrain() {
    rm -rf "$work/run-$1"
    ELECTRA_KERNEL_CACHE="$KERNELS/pretrain" "$electra" pretrain --preset "$preset" --corpus assets/corpus \
        --output "$work/run-$1" --device "$1" --no-tui --set model.vocab_size=4096 \
        data.batch_size="$batch" training.steps=$((steps * 10)) training.log_every=$((steps * 5)) \
        training.checkpoint_every=$((steps * 10)) training.validate_every=$((steps * 10)) || return
    cat "$work/run-$1/metrics.jsonl"
}

# The formats that a device lists are those that are measured; the others would be refused.
formats() {
    local line
    line="$(grep -m1 -E "^[* ] $1[: ]" "$out/log/devices" || true)"
    for format in bf16 f32 tf32 f16; do
        if grep -qE "(^|[ ,])$format([ ,(]|$)" <<<"$line"; then echo "$format"; fi
    done
}
read -r main _ <<<"$devices"
export -f bench pretrain formats compile
export electra preset batch steps work out devices main

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,power.limit --format=csv,noheader \
    >"$out/log/card" 2>/dev/null || : >"$out/log/card"
measure devices 60 "$electra" devices
measure compile 210 bash -c compile
for device in $devices; do
    for format in $(formats "$device"); do
        measure "bench-$device-$format" 40 bash -c "bench $device $format --quick"
    done
done
settings="--settings eager-tf32,compile-bf16,graphs-bf16,eager-bf16,eager-fp32"
[ "$peer" = cuda ] || settings="--settings eager-fp32,eager-bf16"
# shellcheck disable=SC2086
measure pytorch 180 "$python" scripts/bench_pytorch_cuda.py --config "$preset" --batch "$batch" --device "$peer" \
    --steps "$steps" --warmup 4 $settings
best="$(formats "$main" | head -n 1)"
measure "profile-$main-$best" 60 bash -c "steps=3 bench $main $best --quick --profile"
# shellcheck disable=SC2086
measure check 60 env ELECTRA_KERNEL_CACHE="$KERNELS/check" "$electra" devices --check $devices
measure "pretrain-$main" 90 bash -c "pretrain $main"
if [ -n "${TESTS:-}" ]; then
    for program in parity faults; do
        measure "test-$program" 120 "$TESTS/$program" "::$main"
    done
else
    echo "== tests: left out, TESTS names no folder"
fi
measure "peaks-$main-$best" 120 bash -c "steps=5 bench $main $best"
"$python" scripts/gpu_table.py "$out" --append docs/gpu.md

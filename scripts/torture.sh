#!/usr/bin/env bash
# Kills a real run KILLS times, half of them with SIGTERM and half with SIGKILL, damages a checkpoint after every tenth,
# goes on each time, and compares the end with a run that nobody disturbed: records and weights, bit for bit.
#
#     scripts/torture.sh CORPUS [KILLS] [STEPS]
set -euo pipefail
corpus="$(realpath "$1")" kills="${2:-100}" steps="${3:-1200}" every=20
electra="${ELECTRA:-$(dirname "$0")/../target/debug/electra}"
[ -n "${CARGO_TARGET_DIR:-}" ] && electra="${ELECTRA:-$CARGO_TARGET_DIR/debug/electra}"
electra="$(realpath "$electra")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export ELECTRA_CACHE="$work/cache" RAYON_NUM_THREADS=1 RANDOM_SEED=1
RANDOM=1
set_keys=(
    training.steps="$steps" training.log_every=1 training.validate_every=200 training.checkpoint_every=$every
    training.keep_checkpoints=3 data.batch_size=4 data.sequence_length=64 data.validation_sequences=16
    model.num_hidden_layers=2 generator.num_hidden_layers=2
)
begin=$SECONDS
first=(pretrain --device flex --no-tui --corpus "$corpus" --output)
echo "undisturbed run: $steps steps"
"$electra" "${first[@]}" whole --set "${set_keys[@]}" > whole.log 2>&1
whole=$((SECONDS - begin))
echo "  $whole s"

done_kills=0 resumes=0 term_lost=0 kill_lost=0 damaged=0 accepted=0 rounds=1
last_signal=none expected=0
last_step() { sed -n 's/.*"step":\([0-9]*\),"split":"train".*/\1/p' run/metrics.jsonl 2>/dev/null | tail -1; }
while :; do
    if [ -f run/config.toml ]; then
        "$electra" pretrain --device flex --no-tui --resume run > log 2>&1 &
        resumed=1
    else
        "$electra" "${first[@]}" run --set "${set_keys[@]}" > log 2>&1 &
        resumed=0
    fi
    child=$!
    if [ "$done_kills" -lt "$kills" ]; then
        # 0.5 to 8 s: from before the first step to some way into training and saving.
        sleep "$(awk -v r="$RANDOM" 'BEGIN { print 0.5 + 7.5 * r / 32768 }')"
        signal=KILL
        [ $((done_kills % 2)) -eq 0 ] && signal=TERM
        kill -$signal $child 2>/dev/null || true
    fi
    code=0
    wait $child || code=$?
    if [ $resumed -eq 1 ]; then
        resumes=$((resumes + 1))
        behind="$(sed -n 's/^going on behind step \([0-9]*\),.*/\1/p' log | head -1)"
        # Killed before it had said so: nothing is known of where it would have gone on.
        if [ -n "$behind" ]; then
            lost=$((expected > behind ? expected - behind : 0))
            case $last_signal in
                TERM) [ $lost -gt $term_lost ] && term_lost=$lost ;;
                KILL) [ $lost -gt $kill_lost ] && kill_lost=$lost ;;
                damaged-*) [ "$behind" = "${last_signal#damaged-}" ] && accepted=$((accepted + 1)) ;;
            esac
        fi
    fi
    if [ $code -eq 0 ]; then
        if ! cmp -s whole/discriminator/model.safetensors run/discriminator/model.safetensors ||
            ! cmp -s <(sed 's/"tokens_per_second":[^,}]*//' whole/metrics.jsonl) <(sed 's/"tokens_per_second":[^,}]*//' run/metrics.jsonl); then
            echo "FAILED: round $rounds differs from the undisturbed run"
            exit 1
        fi
        [ "$done_kills" -ge "$kills" ] && break
        rm -rf run
        rounds=$((rounds + 1)) last_signal=none expected=0
        continue
    fi
    if [ $code -ne 130 ] && [ $code -ne 137 ] && [ $code -ne 143 ]; then
        echo "FAILED: exit code $code"
        tail -5 log
        exit 1
    fi
    done_kills=$((done_kills + 1))
    # A SIGTERM that came before training began ends the process at once.
    last_signal=$signal
    expected="$(last_step)" expected="${expected:-0}"
    if [ $((done_kills % 10)) -eq 0 ] && [ -d run/checkpoints ]; then
        newest="$(find run/checkpoints -maxdepth 1 -name 'step-*' | sort | tail -1)"
        if [ -n "$newest" ]; then
            file="$newest/$([ $((RANDOM % 2)) -eq 0 ] && echo model || echo optimizer).bpk"
            size="$(stat -c %s "$file")" place=$((RANDOM * 32768 + RANDOM))
            place=$((place % size))
            byte="$(od -An -tu1 -j $place -N 1 "$file" | tr -d ' ')"
            printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$file" bs=1 seek=$place conv=notrunc status=none
            damaged=$((damaged + 1))
            last_signal="damaged-$((10#${newest##*step-}))"
        fi
    fi
done
echo "kills $done_kills, resumes $resumes, rounds $rounds, $((SECONDS - begin)) s"
echo "steps lost at most: $term_lost with SIGTERM, $kill_lost with SIGKILL (a checkpoint every $every)"
echo "checkpoints damaged $damaged, accepted $accepted"
echo "every round ended with the records and weights of the undisturbed run"
[ $term_lost -eq 0 ] && [ $kill_lost -le $every ] && [ $accepted -eq 0 ]

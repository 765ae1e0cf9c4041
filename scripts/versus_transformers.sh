#!/usr/bin/env bash
# `electra predict` beside transformers on the same threads, in turn, ROUNDS times, each in single precision and in bf16: labels for
# short texts by a `small` (12 layers, 256 wide) with random weights. Medians of texts a second, the ratio paired by round, and how
# many labels agree with those of transformers in single precision.
#
#     PYTHON=venv/bin/python scripts/versus_transformers.sh TEXTS [ROUNDS] [THREADS]
#
# TEXTS has one text a line. PYTHON needs torch and transformers; they get glibc's allocator tuned as ours is. Both sides tokenise.
# Loading is outside the times of transformers; of ours, a whole process, the time of the same process with one text is taken off, and
# the ratio of the whole process is there as well.
set -euo pipefail
texts="$1" rounds="${2:-5}" threads="${3:-$(nproc)}" python="${PYTHON:-python3}"
here="$(cd "$(dirname "$0")" && pwd)"
electra="${ELECTRA:-${CARGO_TARGET_DIR:-$here/../target}/debug/electra}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# As many tokens as the texts give.
"$electra" tokenizer train --corpus "$texts" --format text --documents line --vocab-size "${VOCABULARY:-3000}" --output "$work/tokenizer" > /dev/null
"$python" "$here/bench_predict.py" make --tokenizer "$work/tokenizer" --output "$work/model" 2> /dev/null
head -n 1 "$texts" > "$work/one.txt"

peer() {
    local more=()
    [ "$1" = bf16 ] && more=(--bf16)
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
        "$python" "$here/bench_predict.py" time --model "$work/model" --texts "$texts" --threads "$threads" "${more[@]}" \
        --output "$work/labels-peer-$1" 2> /dev/null >> "$work/peer-$1"
}
ours() {
    local TIMEFORMAT='%R %U %S'
    { time RAYON_NUM_THREADS="$threads" "$electra" predict --device flex --precision "$1" --model "$work/model" --input "$2" \
        --output "$work/labels-ours-$1" 2> /dev/null; } 2>> "$work/$3-$1"
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for format in f32 bf16; do
        peer "$format"
        ours "$format" "$work/one.txt" start
        ours "$format" "$texts" ours
    done
done

"$python" - "$work" "$threads" <<'END'
import json, pathlib, statistics, sys

work, threads = pathlib.Path(sys.argv[1]), sys.argv[2]
median = statistics.median
peers = {format: [json.loads(line) for line in open(work / f"peer-{format}")] for format in ("f32", "bf16")}
count = peers["f32"][0]["texts"]
labels = lambda side, format: [line.split("\t")[0].strip() for line in open(work / f"labels-{side}-{format}")]
expected = labels("peer", "f32")
same = lambda side, format: sum(a == b for a, b in zip(expected, labels(side, format)))
print(f"{count} texts, {threads} threads; medians of {len(peers['f32'])} rounds, ratios paired by round (smallest to largest)")
best = min(peers, key=lambda format: median(row["seconds"] for row in peers[format]))
for format, rows in peers.items():
    of_model = median(row["model_seconds"] for row in rows)
    print(f"transformers {format:<5} {count / median(row['seconds'] for row in rows):7.0f} texts/s, {count / of_model:.0f} of the model alone; "
          f"{same('peer', format)} labels the same")
for format in peers:
    read = lambda name: [[float(part) for part in line.split()] for line in open(work / f"{name}-{format}")]
    start, whole = read("start"), read("ours")
    answering = [a[0] - b[0] for a, b in zip(whole, start)]
    print(f"electra {format:<5}      {count / median(answering):7.0f} texts/s, {count / median(row[0] for row in whole):.0f} with start-up "
          f"({median(row[0] for row in start):.2f} s); {same('ours', format)} labels the same")
    theirs = [row["seconds"] for row in peers[best]]
    for name, seconds in (("answering", answering), ("with start-up", [row[0] for row in whole])):
        ratios = sorted(a / b for a, b in zip(theirs, seconds))
        print(f"  to transformers {best}, {name:<14} {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
print(f"{len(set(expected))} different labels occur")
END

#!/usr/bin/env bash
# `electra predict` beside transformers on the same threads, in turn, ROUNDS times: labels for short texts by a `small` (12 layers,
# 256 wide) with random weights. Medians of texts a second, the paired ratio, and whether the labels agree.
#
#     PYTHON=venv/bin/python scripts/versus_transformers.sh TEXTS [ROUNDS] [THREADS]
#
# TEXTS has one text a line. PYTHON needs torch and transformers; they get glibc's allocator tuned as ours is. Both sides tokenise.
# Loading is outside the times of transformers; of ours, a whole process, the time of the same process with one text is taken off, and
# the ratio of the whole process is told as well.
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
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
        "$python" "$here/bench_predict.py" time --model "$work/model" --texts "$texts" --threads "$threads" \
        --output "$work/peer-labels" 2> /dev/null >> "$work/peer"
}
ours() {
    local TIMEFORMAT='%R %U %S'
    { time RAYON_NUM_THREADS="$threads" "$electra" predict --device flex --model "$work/model" --input "$1" \
        --output "$work/answers" 2> /dev/null; } 2>> "$2"
}

for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    peer
    ours "$work/one.txt" "$work/start"
    ours "$texts" "$work/ours"
done

"$python" - "$work" "$threads" <<'END'
import json, pathlib, statistics, sys

work, threads = pathlib.Path(sys.argv[1]), sys.argv[2]
peer = [json.loads(line) for line in open(work / "peer")]
start, ours = ([[float(part) for part in line.split()] for line in open(work / name)] for name in ("start", "ours"))
count, middle = peer[0]["texts"], statistics.median
theirs, cpu = [row["seconds"] for row in peer], [row["cpu_seconds"] for row in peer]
cpu_answering = [sum(whole[1:]) - sum(one[1:]) for whole, one in zip(ours, start)]
start, ours = ([row[0] for row in rows] for rows in (start, ours))
answering = [whole - one for whole, one in zip(ours, start)]
labels = (work / "peer-labels").read_text().split()
same = sum(a == b.split("\t")[0] for a, b in zip(labels, open(work / "answers")))
print(f"{count} texts, {threads} threads; medians of {len(peer)} rounds, ratios paired by round (smallest to largest)")
print(f"transformers  {count / middle(theirs):8.0f} texts/s, {count / middle(r['model_seconds'] for r in peer):.0f} of the model alone")
print(f"electra       {count / middle(answering):8.0f} texts/s, {count / middle(ours):.0f} with start-up ({middle(start):.2f} s)")
print(f"processor     {1000 * middle(cpu) / count:.2f} ms a text of transformers, {1000 * middle(cpu_answering) / count:.2f} of electra")
for name, a, b in (("answering", theirs, answering), ("with start-up", theirs, ours), ("processor time", cpu, cpu_answering)):
    ratios = sorted(a / b for a, b in zip(a, b))
    print(f"ratio, {name:<14} {middle(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
print(f"{same} of {count} labels are the same, {len(set(labels))} different ones occur")
END

#!/usr/bin/env bash
# Fuzzes what reads files and requests, each target for SECONDS (600 by default) and within 1 GiB, from the inputs that are kept
# in fuzz/corpus/TARGET.tar.xz; what was found is minimised and put back there. The targets are the sources in
# fuzz/fuzz_targets. Needs `cargo install cargo-fuzz`, a nightly toolchain, and `electra` (in the target directory, or where
# ELECTRA says), which makes the models.
#
#     scripts/fuzz.sh [SECONDS [TARGET..]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-600}"
[ $# -gt 0 ] && shift
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(readers parquet store config tokenizer weights run requests)

electra="$(realpath "${ELECTRA:-${CARGO_TARGET_DIR:-target}/debug/electra}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export ELECTRA_CACHE="$work/cache" ELECTRA_FUZZ_BASE="$work/base"

# A pair of one layer, 16 wide, and a tagger of it: small, so that inputs come to the reader and not to arithmetic.
models() {
    local set=(
        training.steps=2 data.batch_size=2 data.sequence_length=16 data.validation_sequences=2 model.vocab_size=300
        model.embedding_size=16 model.hidden_size=16 model.num_attention_heads=2 model.num_hidden_layers=1
        model.intermediate_size=32 model.max_position_embeddings=32 generator.hidden_size=8 generator.num_attention_heads=2
        generator.num_hidden_layers=1 generator.intermediate_size=16
    )
    "$electra" pretrain --device flex --no-tui --output "$ELECTRA_FUZZ_BASE" --set "${set[@]}"
    for _ in $(seq 20); do printf 'the O\nwater B-x\nof O\nstone B-y\n\n'; done >"$work/tags.conll"
    "$electra" finetune --device flex --task token-classification --model "$ELECTRA_FUZZ_BASE/discriminator" \
        --train "$work/tags.conll" --dev "$work/tags.conll" --epochs 1 --output "$ELECTRA_FUZZ_BASE/tags"
}

# Whole inputs to begin with.
seeds() {
    local model="$ELECTRA_FUZZ_BASE/discriminator" at="fuzz/corpus/$1"
    case $1 in
        config) cp "$model/config.json" "$at/whole" ;;
        tokenizer)
            for first in 0 1; do (printf %s $first && cat "$model/tokenizer_config.json") >"$at/whole-$first"; done
            ;;
        weights)
            python3 - "$model" >"$at/whole" <<'EOF'
import json, sys
with open(f"{sys.argv[1]}/model.safetensors", "rb") as file:
    header = file.read(int.from_bytes(file.read(8), "little"))
print(json.dumps(json.load(open(f"{sys.argv[1]}/config.json"))))
sys.stdout.write(header.decode())
EOF
            ;;
        run) (tr -d '\n' <"$ELECTRA_FUZZ_BASE/status.json" && echo && cat "$ELECTRA_FUZZ_BASE/metrics.jsonl") >"$at/whole" ;;
        requests)
            printf '0{"inputs": ["the water", ["of", "stone"]], "top_k": 2}' >"$at/predict"
            printf '1{"inputs": ["the water of the stone"]}' >"$at/embed"
            printf '2{"inputs": ["the water"], "label": "B-x", "token": 1, "attention": true}' >"$at/explain"
            printf '3{"query": "water", "documents": ["stone", "wood"], "top_k": 1}' >"$at/rerank"
            ;;
    esac
}

models >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for target in "${targets[@]}"; do
    corpus="fuzz/corpus/$target"
    mkdir -p "$corpus"
    [ -f "$corpus.tar.xz" ] && tar -xJf "$corpus.tar.xz" -C fuzz/corpus
    seeds "$target"
    # Without a sanitizer: what is looked for is panics and memory, and Rust's own checks are on.
    cargo +nightly fuzz run -s none "$target" -- -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=1024 -timeout=60
    cargo +nightly fuzz cmin -s none "$target" -- -rss_limit_mb=1024
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "$corpus.tar.xz" -C fuzz/corpus "$target"
    echo "$target: $(find "$corpus" -type f | wc -l) inputs kept"
done

#!/usr/bin/env bash
# Fuzzes the readers and the store's header, each target for SECONDS (600 by default), from the inputs that are kept in
# fuzz/corpus/TARGET.tar.xz; what was found is minimised and put back there. Needs `cargo install cargo-fuzz` and a
# nightly toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-600}"
[ $# -gt 0 ] && shift
targets=("${@:-}")
[ -n "${targets[0]}" ] || targets=(readers parquet store)

for target in "${targets[@]}"; do
    corpus="fuzz/corpus/$target"
    mkdir -p "$corpus"
    [ -f "$corpus.tar.xz" ] && tar -xJf "$corpus.tar.xz" -C fuzz/corpus
    # Without a sanitizer: what is looked for is panics, and Rust's own checks are on.
    cargo +nightly fuzz run -s none "$target" -- -max_total_time="$seconds" -max_len=4096
    cargo +nightly fuzz cmin -s none "$target"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cJf "$corpus.tar.xz" -C fuzz/corpus "$target"
    echo "$target: $(find "$corpus" -type f | wc -l) inputs kept"
done

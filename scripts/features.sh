#!/usr/bin/env bash
# Checks that the program compiles with each cargo feature alone beside the defaults, and with none of the defaults but a
# CPU backend. Needs no GPU, no vendor's toolkit and no network; what cannot be checked is said. The backends cuda and rocm
# compile kernels with an LLVM that they download; DOCS_RS tells their build that nothing will be linked (a build does
# that with scripts/llvm_for_cuda.sh).
#
#   scripts/features.sh [FEATURE..]
set -uo pipefail
cd "$(dirname "$0")/.."

features=("$@")
[ $# -gt 0 ] || features=(wgpu vulkan metal webgpu cuda rocm)
failed=0

check() {
    local name=$1
    shift
    if output=$(DOCS_RS=1 cargo check --quiet --locked "$@" 2>&1); then
        echo "$name: compiles"
    else
        echo "$name: DOES NOT COMPILE"
        printf '%s\n' "$output" | tail -n 20
        failed=1
    fi
}

for feature in "${features[@]}"; do
    if [ "$feature" = metal ] && [ "$(uname)" != Darwin ]; then
        echo "$feature: not checked, its bindings exist on macOS alone"
    else
        check "$feature" --features "$feature"
    fi
done
check "the library alone" --no-default-features --features flex
[ $# -gt 0 ] || check "flex alone" --no-default-features --features flex,cli
exit $failed

#!/usr/bin/env bash
# Checks that the program compiles with each cargo feature alone beside the defaults, and with none of the defaults but a
# CPU backend. Needs no GPU and no vendor's toolkit (cuda and rocm: a network, their
# LLVM is downloaded); what cannot be checked is said.
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
    if output=$(cargo check --quiet --locked "$@" 2>&1); then
        echo "$name: compiles"
    elif grep -q 'failed to lookup address information' <<<"$output"; then
        echo "$name: not checked, a dependency's build script downloads what it needs and there is no network"
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
[ $# -gt 0 ] || check "flex alone" --no-default-features --features flex
exit $failed

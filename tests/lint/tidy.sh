#!/usr/bin/env bash
# clang-tidy over every source file, with the compile commands of the clang preset.
cd "$(dirname "$0")/../.." || exit 1
cmake --preset clang >/dev/null || exit 1
git ls-files 'src/*.cc' | grep -vE '_(test|fuzz)\.cc$' | xargs -P"$(nproc)" -n4 clang-tidy-19 -p build/clang --quiet --warnings-as-errors='*'

#!/usr/bin/env bash
# clang-tidy over the given source files, or every one, with the compile commands of the asan preset (clang too).
cd "$(dirname "$0")/../.." || exit 1
cmake --preset asan >/dev/null && cmake --build --preset asan --target bw_base >/dev/null || exit 1  # also the precompiled header
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files 'src/*.cc' | grep -vE '_(test|fuzz)\.cc$')
printf '%s\n' "${files[@]}" | xargs -P"$(nproc)" -n2 clang-tidy-19 -p build/asan --quiet --warnings-as-errors='*'
